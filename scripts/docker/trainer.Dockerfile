# The trainer on processors, by a user without rights: no Beam in it.
#
#   docker build -f scripts/docker/trainer.Dockerfile -t headlight-trainer .
#   docker run --rm -v "$PWD/out:/out" headlight-trainer --train_data_paths /out/preprocessed/train \
#       --eval_data_paths /out/preprocessed/eval --output_path /out/train
#
# As a custom job of Vertex AI it runs as it is (containerSpec.imageUri and args): results go where AIP_MODEL_DIR,
# AIP_CHECKPOINT_DIR and AIP_TENSORBOARD_LOG_DIR say, and the same command continues a job that was stopped.

FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/headlight
WORKDIR /source
COPY setup.py pyproject.toml pipeline*.py ./
COPY preprocess preprocess
COPY trainer trainer
COPY predict predict
RUN /opt/headlight/bin/pip install '.[aws]' && /opt/headlight/bin/pip check

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin headlight
COPY --from=build /opt/headlight /opt/headlight
ENV PATH=/opt/headlight/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /home/headlight
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "trainer.task"]
