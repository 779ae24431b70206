"""One training from its records to its result: found, judged against what is there already, read, fitted."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from preprocess import files, quiet, settings
from preprocess.compiled import CompiledEncoder
from preprocess.encoders import EncoderSpec, compile_in_child
from preprocess.failures import InputError
from preprocess.progress import say
from preprocess.settings import Json
from trainer import head_spec, inputs, past
from trainer.config import TrainConfig
from trainer.environment import Environment
from trainer.inputs import Inputs
from trainer.past import Plan
from trainer.result import TrainResult

if TYPE_CHECKING:
    from trainer.cluster import Cluster
    from trainer.fit import Job, Outcome
    from trainer.network import Recipe
    from trainer.sets import Sets

# What the chief tells the other nodes before anything is read.
_NOTHING_TO_DO, _TRAIN = 1, 2
_ALONE = Environment()


def train(config: TrainConfig, environment: Environment = _ALONE) -> TrainResult:
    """Train on this machine, or as the chief of a cluster; a complete training of the same settings is skipped.

    The caller holds the claim on the output directory.
    """
    cluster = _join(environment) if environment.nodes else None
    found = inputs.find(config)
    nodes = max(len(environment.nodes), 1)
    described = past.describe(config, found, nodes=nodes)
    verdict = past.judge(config, described, nodes=nodes)
    if verdict.changes:
        say(f'training anew, other settings: {"; ".join(verdict.changes)}')
    if cluster:
        cluster.agree(_NOTHING_TO_DO if verdict.complete else _TRAIN, interrupted=False)
    if verdict.complete:
        say(f'training is complete ({verdict.complete.steps:,} steps): skipped; its result is in {config.output_path}')
        return verdict.complete
    encoder = encoder_of(config, found)
    cluster = cluster or _join(environment)
    from trainer import scalars, sets

    examples = sets.read(config, found, encoder)
    plan = _plan(config, described, examples, nodes)
    job = _job(config, environment, examples, plan.max_steps, cluster)
    past.begin(config, plan, anew=verdict.anew)
    outcome = job.run(cluster)
    if outcome is None:
        raise RuntimeError('a chief without a result')
    result = _result(config, plan, job, outcome)
    # A study judges a trial by the figures of its highest step, and takes one figure a step: so those of the last step
    # are told here only, and are those of the weights that are exported, whichever step they are of.
    scalars.report_trial(environment, outcome.steps, result.chosen.eval)
    result.write()
    return result


def follow(config: TrainConfig, environment: Environment) -> None:
    """Train as a node of a cluster that isn't its chief: nothing is written here."""
    cluster = _join(environment)
    word, _ = cluster.agree(0, interrupted=False)
    if word == _NOTHING_TO_DO:
        say('training is complete: the chief says there is nothing to do')
        return
    from trainer import sets

    examples = sets.read(config, inputs.find(config), None)
    max_steps = _plan(config, {}, examples, len(environment.nodes)).max_steps
    _job(config, environment, examples, max_steps, cluster).run(cluster)


def encoder_of(config: TrainConfig, found: Inputs) -> CompiledEncoder | None:
    """The encoder that goes into the model: the one beside the records, else the one asked for, else none."""
    if found.encoder_dir is not None:
        encoder = CompiledEncoder.load(found.encoder_dir)
        said = found.manifests[0].encoder
        if (encoder.key, encoder.sha256) != (said.key, said.sha256):
            raise InputError(
                f'this is not the encoder the records were made with: {encoder.spec}, the records say {said.spec}',
                where=found.encoder_dir,
                do='copy the whole result of preprocessing again, or make the records again',
            )
        encoder.verify()
        return encoder
    if config.encoder is None:
        return None
    return compile_in_child(
        EncoderSpec(config.encoder, config.encoder_weights), files.join(config.output_path, 'encoder')
    )


def load_tensorflow() -> None:
    """Import TensorFlow without its chatter; GPUs take the memory they need, and give the same result each time."""
    with quiet.loading():
        import tensorflow as tf

        tf.get_logger().setLevel('ERROR')
        for gpu in tf.config.list_physical_devices('GPU'):
            tf.config.experimental.set_memory_growth(gpu, True)
            tf.config.experimental.enable_op_determinism()


def _join(environment: Environment) -> 'Cluster':
    """TensorFlow loaded, the device named, and the other nodes there."""
    load_tensorflow()
    from trainer import cluster

    job = f' (job {environment.job_id})' if environment.job_id else ''
    say(f'training on {cluster.device()}{job}')
    return cluster.Cluster(environment)


def _plan(config: TrainConfig, described: Mapping[str, Json], examples: 'Sets', nodes: int) -> Plan:
    rows = len(examples.train)
    return Plan(described, past.steps_wanted(config.learning, rows=rows, nodes=nodes), rows)


def _job(config: TrainConfig, environment: Environment, examples: 'Sets', max_steps: int, cluster: 'Cluster') -> 'Job':
    from trainer import heads, quality
    from trainer.batches import InMemory
    from trainer.fit import Job
    from trainer.stream import Streamed
    from trainer.watch import Watched

    train, evaluation, learning = examples.train, examples.evaluation, config.learning
    recipe = _recipe(config, examples, cluster)
    counts = train.counts()
    watched = Watched(
        train=train,
        evaluation=evaluation,
        majority_train=quality.majority_accuracy(train, counts),
        majority_eval=quality.majority_accuracy(evaluation, counts),
        max_steps=max_steps,
        example_flops=heads.flops(recipe.spec),
        learning=learning,
        schedule=config.schedule,
        environment=environment,
        checkpoint_dir=config.checkpoint_dir,
        log_dir=config.log_dir,
    )
    order = InMemory if train.values is not None else Streamed
    batches = order(train, learning.batch_size * cluster.size, learning.seed)
    return Job(recipe, batches, watched)


def _recipe(config: TrainConfig, examples: 'Sets', cluster: 'Cluster') -> 'Recipe':
    from trainer import class_weights
    from trainer.network import Recipe

    train, learning = examples.train, config.learning
    return Recipe(
        spec=head_spec.of_learning(
            learning, train.form.shape, classes=len(examples.classes), multi_label=examples.classes.multi_label
        ),
        batch_size=learning.batch_size,
        optimizer=learning.optimizer,
        learning_rate=learning.learning_rate,
        l2=learning.l2,
        weights=class_weights.make(learning.class_weights, examples.classes, train.counts(), len(train)),
        seed=learning.seed,
        flips=learning.flips,
        nodes=cluster.size,
        node=cluster.index,
    )


def _result(config: TrainConfig, plan: Plan, job: 'Job', outcome: 'Outcome') -> TrainResult:
    return TrainResult(
        checkpoint_dir=config.checkpoint_dir,
        steps=outcome.steps,
        best=outcome.best,
        last=outcome.last,
        majority_train=job.watched.majority_train,
        majority_eval=job.watched.majority_eval,
        classes=job.watched.train.classes,
        head_spec=asdict(job.recipe.spec),
        settings=plan.settings,
        digest=settings.digest({**plan.settings, 'max_steps': plan.max_steps}),
        export_last=config.export_last,
    )
