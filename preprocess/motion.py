"""How much moves in footage, and the labels that follow from it: signals, labels, labelled rows.

python -m preprocess.motion tank.mp4 --output_dir motion
python -m preprocess.motion frames/ --output_dir motion --size 320x240 --background median --contrast stretch
"""

from collections.abc import Sequence

from preprocess import claims, command, files, motion_config
from preprocess.command import FlagParser
from preprocess.progress import say


def main(argv: Sequence[str] | None = None) -> int:
    """Find motion, write what follows from it, print what there is of each label."""
    parser = FlagParser(
        'python -m preprocess.motion',
        'Finds how much moves in footage from frame to frame, labels each frame by it, and writes labelled rows.',
    )
    motion_config.add_flags(parser)
    config = motion_config.from_flags(parser.parse_args(argv))
    from preprocess import motion_finding, motion_table

    command.log_to(files.join(config.output_dir, 'log.txt'))
    with claims.Claim(files.join(config.output_dir, '.claim'), doing='preprocess.motion'):
        outcome = motion_finding.find_motion(config)
    if outcome.was_complete:
        print('complete already: neither recordings nor flags have changed')
    print(motion_table.of(outcome.result))
    for note in (*outcome.notes, *motion_table.warnings(outcome.result)):
        say(note)
    print('\n'.join(['', *outcome.files]))
    if line := motion_table.next_command(outcome.result, config):
        print(f'\nnext  {line}')
    return 0


if __name__ == '__main__':
    command.run(main)
