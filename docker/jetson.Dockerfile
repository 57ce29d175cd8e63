# The nodes on a Jetson (aarch64): ROS 2 Jazzy with Python 3.12 in a container, because there are no ROS wheels for
# aarch64 and JetPack 6 itself has Python 3.10. Build on the Jetson or with buildx, from the root of the checkout:
#   docker build -f docker/jetson.Dockerfile -t perception:jetson .
# Start with --shm-size=1g or --ipc=host.

FROM --platform=linux/arm64 ros:jazzy-ros-base
ENV DEBIAN_FRONTEND=noninteractive VENV=/opt/venv NUMBA_CACHE_DIR=/var/cache/perception
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv python3-pip ros-jazzy-vision-msgs ros-jazzy-rmw-fastrtps-cpp \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/perception
COPY . .
RUN useradd --create-home --uid 10001 perception \
    && mkdir -p /var/cache/perception /data \
    && . /opt/ros/jazzy/setup.sh && requirements/install.sh "$VENV" \
    && chown -R perception /var/cache/perception /data
USER perception
WORKDIR /data
ENV PATH=/opt/venv/bin:$PATH
STOPSIGNAL SIGINT
ENTRYPOINT ["/opt/perception/docker/entrypoint.sh"]
CMD ["perception", "run"]
