# An image of kdcl_tf for CPUs, or for NVIDIA's GPUs.  It was written without a container runtime at
# hand and has not been built: the commands in it were run by themselves.
#
#   docker build --tag kdcl_tf .
#   docker build --tag kdcl_tf:gpu --build-arg EXTRAS=export,detection,gpu .
#   mkdir --parents runs "$HOME/tensorflow_datasets"    # otherwise they would be made as root's
#   docker run --rm --user "$(id --user)" --volume "$PWD/runs:/work/runs" kdcl_tf kdcl-train --compare
#   docker run --rm --gpus=all --user "$(id --user)" --volume "$PWD/runs:/work/runs" \
#       --volume "$HOME/tensorflow_datasets:/data" kdcl_tf:gpu \
#       kdcl-train --flagfile=kdcl:cifar100/general_icl --data_dir=/data
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY setup.py pyproject.toml README.md LICENSE ./
COPY kdcl_tf kdcl_tf
COPY flags flags
RUN python -m pip wheel --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
ARG EXTRAS=export,detection
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir "$(echo /wheels/*.whl)[$EXTRAS]"
# Files that a run writes belong to a user who is not root.
RUN useradd --create-home --uid 1000 kdcl && install --directory --owner=kdcl /work
USER kdcl
WORKDIR /work
CMD ["kdcl-train", "--help"]
