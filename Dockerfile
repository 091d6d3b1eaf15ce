# export VOICE_EXPORTER_WEBHOOK_SECRET=$(openssl rand -hex 16)   without a secret it listens inside the container only
# docker build -t voice-exporter .
# docker run -p 127.0.0.1:10060:10060 -v voice-exporter:/data -e VOICE_EXPORTER_WEBHOOK_SECRET --read-only voice-exporter
# Of a commit that is no release: --build-arg VERSION="$(.venv/bin/python -m hatchling version)"
ARG VERSION=0.2.0

FROM python:3.13-slim-bookworm AS build
ARG VERSION
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY exporter exporter
# The image gets no pip: it installs from outside.
RUN python -m venv --without-pip /opt/voice-exporter \
    && SETUPTOOLS_SCM_PRETEND_VERSION_FOR_VOICE_EXPORTER=$VERSION \
    pip --python /opt/voice-exporter/bin/python install --no-cache-dir --constraint constraints.txt '.[postgres,sentiment]'

FROM python:3.13-slim-bookworm
# A number, not a name, so that Kubernetes can tell that it is not root.
RUN useradd --uid 10060 --no-create-home --shell /usr/sbin/nologin voice-exporter \
    && install -d -o 10060 -g 10060 -m 0700 /data
COPY --from=build /opt/voice-exporter /opt/voice-exporter
ENV PATH=/opt/voice-exporter/bin:$PATH PYTHONDONTWRITEBYTECODE=1
ARG VERSION
LABEL org.opencontainers.image.title=voice-exporter \
    org.opencontainers.image.version=$VERSION \
    org.opencontainers.image.licenses=Apache-2.0 \
    org.opencontainers.image.source=https://github.com/voice-exporter/voice-exporter
USER 10060:10060
VOLUME /data
EXPOSE 10060
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s \
    CMD ["voice-exporter", "check-health"]
ENTRYPOINT ["voice-exporter"]
CMD ["serve", "--storage.path=/data"]
