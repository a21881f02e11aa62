# The MONAI Application Package of Osteon, for CPUs or, with VARIANT=cuda, for NVIDIA GPUs.
#
#   docker build -t osteon .                      or: osteon package -t osteon
#   docker build -t osteon:cuda --build-arg VARIANT=cuda .
#
# docs/deployment.md says how to run it. Wheels are pinned with their hashes: `make lock`.
ARG BASE_IMAGE=python:3.11-slim-bookworm

# --- The packages: rebuilt only when their lock file changes
FROM ${BASE_IMAGE} AS packages
ARG VARIANT=cpu
# A page or a folder with torch's wheels for CPUs, which PyPI does not have
ARG TORCH_WHEELS=https://download.pytorch.org/whl/cpu/torch/
COPY deploy/image/requirements.${VARIANT}.lock deploy/image/cuda_runtime.py \
     deploy/image/lean.py /build/
RUN ["python3", "-m", "venv", "/opt/osteon"]
RUN /opt/osteon/bin/python -m pip install --no-cache-dir --no-compile --no-deps --only-binary :all: \
    --require-hashes --find-links "${TORCH_WHEELS}" --requirement "/build/requirements.${VARIANT}.lock"
RUN ["/opt/osteon/bin/python", "/build/cuda_runtime.py"]
RUN ["/opt/osteon/bin/python", "/build/lean.py"]

# --- The application, the image's SBOM (CycloneDX) and the licences
FROM ${BASE_IMAGE} AS application
COPY deploy/image/tools.lock /build/
RUN ["python3", "-m", "venv", "/opt/tools"]
RUN ["/opt/tools/bin/python", "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--only-binary", ":all:", \
     "--require-hashes", "--requirement", "/build/tools.lock"]
# buildah 1.28 does not detect changes in mounts; copying these files makes it rebuild
ARG VARIANT=cpu
COPY deploy/image/requirements.${VARIANT}.lock deploy/image/lean.py deploy/image/debian.py /build/
RUN --mount=type=bind,from=packages,source=/opt/osteon,target=/opt/osteon \
    /opt/tools/bin/cyclonedx-py environment --output-reproducible --spec-version 1.6 \
    --output-file /build/sbom.json /opt/osteon/bin/python
RUN ["python3", "/build/debian.py", "/build/sbom.json"]
RUN --mount=type=bind,from=packages,source=/opt/osteon,target=/opt/osteon \
    /opt/tools/bin/pip-licenses --python=/opt/osteon/bin/python --format=markdown --with-urls --with-system --from=mixed \
    --output-file=/build/licences.md
COPY pyproject.toml README.md LICENSE requirements.txt /build/osteon/
COPY app /build/osteon/app
COPY operators /build/osteon/operators
COPY training /build/osteon/training
COPY osteon /build/osteon/osteon
RUN ["/opt/tools/bin/python", "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--no-build-isolation", \
     "--target", "/opt/holoscan/app", "/build/osteon"]

# --- The image
FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG VARIANT=cpu
ARG GPUS=0
# Given by `osteon package`, from app/settings.py
ARG VERSION
ARG REVISION=
LABEL org.opencontainers.image.title="Osteon" \
      org.opencontainers.image.description="Segments bones and fracture fragments in CT. Not for clinical use." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.monai.deploy.app-sdk="4.0.0" \
      org.nvidia.holoscan="4.6.0"
# Names of version 1 of the specification, then of version 0; the same as in app/platform_layout.py
ENV HOLOSCAN_APPLICATION=/opt/holoscan/app \
    HOLOSCAN_INPUT_PATH=/var/holoscan/input \
    HOLOSCAN_OUTPUT_PATH=/var/holoscan/output \
    HOLOSCAN_WORKDIR=/var/holoscan \
    HOLOSCAN_MODEL_PATH=/opt/holoscan/models \
    HOLOSCAN_CONFIG_PATH=/var/holoscan/app.yaml \
    HOLOSCAN_APP_MANIFEST_PATH=/etc/holoscan/app.json \
    HOLOSCAN_PKG_MANIFEST_PATH=/etc/holoscan/pkg.json \
    HOLOSCAN_DOCS_PATH=/opt/holoscan/docs \
    HOLOSCAN_LOGS_PATH=/var/holoscan/logs \
    HOLOSCAN_VERSION=4.6.0 \
    MONAI_APPLICATION=/opt/monai/app \
    MONAI_INPUTPATH=/var/monai/input \
    MONAI_OUTPUTPATH=/var/monai/output \
    MONAI_WORKDIR=/var/monai \
    MONAI_MODELPATH=/opt/monai/models \
    PATH=/opt/osteon/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1
COPY --from=packages /opt/osteon /opt/osteon
COPY --from=application /build/sbom.json /build/licences.md /opt/holoscan/docs/
COPY deploy/image/osteon.pth /opt/osteon/lib/python3.11/site-packages/
COPY deploy/image/osteon /opt/osteon/bin/
COPY deploy/image/tools /var/holoscan/
COPY --from=application /opt/holoscan/app /opt/holoscan/app
COPY __main__.py app.yaml app.schema.json requirements.txt /opt/holoscan/app/
COPY app.yaml /var/holoscan/
COPY README.md LICENSE docs /opt/holoscan/docs/
COPY models /opt/holoscan/models
RUN ["/usr/sbin/useradd", "--uid", "10001", "--home-dir", "/tmp", "--no-create-home", "--shell", "/usr/sbin/nologin", "osteon"]
RUN python -m app.map.write / --user 10001 --gpus "${GPUS}"
WORKDIR /var/holoscan
USER 10001:10001
# DICOM, health and metrics, and the page, of `serve`
EXPOSE 11112 9112 9113
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/var/holoscan/tools", "health"]
ENTRYPOINT ["/var/holoscan/tools"]
