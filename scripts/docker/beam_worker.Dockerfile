# A worker of Apache Beam with everything it imports: on Dataflow it starts at once, instead of installing for minutes.
#
#   docker build -f scripts/docker/beam_worker.Dockerfile -t REGION-docker.pkg.dev/PROJECT/REPOSITORY/headlight-worker:1 .
#   docker push ...
#   python pipeline.py --runner DataflowRunner --sdk_container_image ...:1 --sdk_location container ...
#
# Python and Beam must be those of the machine that submits: --build-arg PYTHON=3.12 --build-arg BEAM=2.78.0

ARG PYTHON=3.11
ARG BEAM=2.77.0

FROM apache/beam_python${PYTHON}_sdk:${BEAM} AS harness

FROM python:${PYTHON}-slim-bookworm
ARG BEAM
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY setup.py pyproject.toml pipeline*.py ./
COPY preprocess preprocess
COPY trainer trainer
COPY predict predict
# Into the system's Python: the harness puts an environment of its own over it for what a job brings along.
RUN pip install "apache-beam[gcp]==${BEAM}" '.[beam,fast,video,aws]' && pip check
COPY --from=harness /opt/apache/beam /opt/apache/beam
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin headlight \
    && install -d -o 10001 -g 10001 /opt/apache/beam-venv /var/opt/google
ENV PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /home/headlight
ENTRYPOINT ["/opt/apache/beam/boot"]
