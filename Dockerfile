# syntax=docker/dockerfile:1
# Two images, which docs/servers.md tells how to use:
#   docker build --tag lora-workbench .                           the programs: train, run, generate
#   docker build --target comfyui --tag lora-workbench-comfyui .  ComfyUI with the nodes
# They are for NVIDIA's GPUs; --build-arg ACCELERATOR=cpu makes far smaller ones that need none.

ARG PYTHON_IMAGE=python:3.12-slim-trixie
ARG ACCELERATOR=cuda

FROM ${PYTHON_IMAGE} AS cpu
ENV TORCH_INDEX=https://download.pytorch.org/whl/cpu

# torch's own wheels bring CUDA's libraries, so that a base with CUDA would have them twice. The driver is the host's: the
# NVIDIA Container Toolkit puts it in. An older driver may need another index, such as .../whl/cu126.
FROM ${PYTHON_IMAGE} AS cuda
ARG CUDA_INDEX=https://pypi.org/simple
ENV TORCH_INDEX=${CUDA_INDEX} \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# What both images share: torch in the version that the tests were run with, a user without rights, and /data for results.
FROM ${ACCELERATOR} AS torch
ENV PIP_CACHE_DIR=/root/.cache/pip \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 1000 workbench \
    && install --directory --owner workbench /data
COPY constraints.txt /opt/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --extra-index-url "${TORCH_INDEX}" --constraint /opt/constraints.txt torch
# For docker run --user with a number that the image has no name for: some libraries want a name and a place for caches.
ENV HOME=/tmp USER=workbench
WORKDIR /data
VOLUME /data

FROM torch AS wheel
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM torch AS comfyui
ARG COMFYUI_VERSION=0.33.0
ADD https://github.com/comfyanonymous/ComfyUI.git#v${COMFYUI_VERSION} /opt/ComfyUI
COPY . /opt/custom_nodes/lora-workbench
# In one call, so that torchvision and torchaudio are of the versions that fit torch, which stays.
RUN --mount=type=cache,target=/root/.cache/pip \
    grep '^torch==' /opt/constraints.txt > /opt/torch.txt \
    && pip install --extra-index-url "${TORCH_INDEX}" --constraint /opt/torch.txt \
        --requirement /opt/ComfyUI/requirements.txt --requirement /opt/custom_nodes/lora-workbench/requirements.txt \
    && python -m compileall -q /opt/ComfyUI /opt/custom_nodes \
    && printf 'image:\n  custom_nodes: /opt/custom_nodes\n' > /opt/paths.yaml
USER 1000
EXPOSE 8188
# The first process of a container ignores SIGTERM unless it handles it; Python handles this one.
STOPSIGNAL SIGINT
HEALTHCHECK --start-period=2m CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8188/system_stats')"]
# All that is the user's lies in /data; its custom_nodes may hold further extensions. Arguments go to ComfyUI.
ENTRYPOINT ["sh", "-c", "mkdir -p /data/custom_nodes /data/user && exec python /opt/ComfyUI/main.py \
 --base-directory /data --database-url sqlite:////data/user/comfyui.db --extra-model-paths-config /opt/paths.yaml \
 --listen 0.0.0.0 \"$@\"", "comfyui"]

# The last stage is what is built unless another is asked for.
FROM torch AS workbench
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels --mount=type=cache,target=/root/.cache/pip \
    set -- /wheels/*.whl \
    && pip install --constraint /opt/constraints.txt "$1[captions,heic,hosted,optimizers,prompts,quantized,tags,tensorboard]"
USER 1000
ENTRYPOINT ["lora-workbench"]
CMD ["--help"]
