# An image that serves the directory /srv on port 8080.
#
#   docker build -t enduring .
#   docker run --security-opt seccomp=scripts/deploy/seccomp.json -p 8080:8080 \
#       -v /path/of/site:/srv:ro enduring --keepalive-timeout 20s
#
# What follows the image's name are flags of the server; without a site of your own it shows the
# example. The profile is needed because the engines block io_uring by default. Nothing is ever
# written, and no capability used: --read-only --cap-drop=ALL --security-opt no-new-privileges.

ARG BASE=docker.io/library/debian:trixie-slim

# The packages have a layer of their own, which a change of sources does not touch.
FROM ${BASE} AS packages
WORKDIR /source
COPY scripts/setup scripts/
RUN scripts/setup --run && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb

# One program with all that it needs inside, still at random addresses: static-pie. The linker warns
# of getaddrinfo; names from /etc/hosts and from name servers are found all the same.
FROM packages AS build
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY core core
COPY http http
COPY apps apps
COPY training training
COPY LICENSE ./
RUN cmake --preset release -DENDURING_TESTS=OFF -DENDURING_SIMULATION=OFF -DCMAKE_EXE_LINKER_FLAGS=-static-pie \
    && cmake --build --preset release --target enduring \
    && strip build/release/bin/enduring \
    && chmod -R a+rX apps/site LICENSE

# Nothing but the program and the site: 3 MB without a shell, a library or a package to keep up to
# date, where debian:trixie-slim would begin with 80.
FROM scratch
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="enduring" \
      org.opencontainers.image.description="HTTP server on io_uring; serves /srv on port 8080" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /source/build/release/bin/enduring /usr/bin/enduring
COPY --from=build /source/LICENSE /usr/share/doc/enduring/LICENSE
COPY --from=build /source/apps/site /srv
# The variable, and no argument in ENTRYPOINT or CMD, so that arguments may be flags alone; another
# directory among them wins.
ENV ENDURING_ROOT=/srv
# By number, so that it can be seen not to be root without looking into the image.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# Engines that make images of the OCI's format leave it out: podman build needs --format docker.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["/usr/bin/enduring", "--probe", "http://127.0.0.1:8080/"]
ENTRYPOINT ["/usr/bin/enduring"]
