# Anju as an image: `docker build -t anju .`, then any command of `anju` as its argument.
# Debian 13, because its pg_dump is of the database's major version.
ARG PYTHON=python:3.11.14-slim-trixie

FROM ${PYTHON} AS build
# Another index for networks that reach PyPI badly: --build-arg PYPI_INDEX=https://pypi.tuna.tsinghua.edu.cn/simple
ARG PYPI_INDEX=https://pypi.org/simple
ENV PIP_INDEX_URL=${PYPI_INDEX} UV_DEFAULT_INDEX=${PYPI_INDEX} UV_LINK_MODE=copy
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9 && uv venv /opt/anju
ENV VIRTUAL_ENV=/opt/anju
WORKDIR /source
# The lock holds the development tools too: as a constraint it gives versions and hashes to what Anju needs to run.
COPY pyproject.toml requirements.lock ./
# urllib3-future would install itself in the place of urllib3, against the hashes (Makefile).
ENV URLLIB3_NO_OVERRIDE=true
RUN uv pip install --no-cache --compile-bytecode --require-hashes --no-binary urllib3-future --constraint requirements.lock --requirement pyproject.toml
COPY . .
RUN uv pip install --no-cache --compile-bytecode --no-deps .

FROM ${PYTHON}
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-client-17 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin anju \
    && install -d -o anju -g anju /provisioning && install -d -o anju -g anju -m 0700 /backups
COPY --from=build /opt/anju /opt/anju
ENV PATH=/opt/anju/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ANJU_HTTP_HOST=0.0.0.0 ANJU_HTTP_PORT=8000
USER anju
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['ANJU_HTTP_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["anju"]
CMD ["api"]
