# A model served on processors, by a user without rights.
#
#   docker build -f scripts/docker/server.Dockerfile -t headlight-server .
#   docker run --rm -p 8080:8080 -v "$PWD/out/model:/model:ro" headlight-server [FLAGS OF predict.web]
#
# On Vertex AI, KServe and the like it runs as it is: what they set in the environment (AIP_STORAGE_URI, AIP_HTTP_PORT)
# takes the place of what stands below.

FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/headlight
WORKDIR /source
COPY setup.py pyproject.toml pipeline*.py ./
COPY preprocess preprocess
COPY trainer trainer
COPY predict predict
RUN /opt/headlight/bin/pip install '.[serve,fast,video]' && /opt/headlight/bin/pip check

FROM python:3.12-slim-bookworm
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin headlight
COPY --from=build /opt/headlight /opt/headlight
ENV PATH=/opt/headlight/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AIP_STORAGE_URI=/model \
    AIP_HTTP_PORT=8080
USER 10001:10001
WORKDIR /home/headlight
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"AIP_HTTP_PORT\"]}/healthz')"]
ENTRYPOINT ["python", "-m", "predict.web"]
