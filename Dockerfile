# The program `piton` and the workflow files of this folder, as a user of their own.
# A binary of yours with handlers: build that one instead, everything else is the same.
FROM rust:1-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin piton

FROM debian:bookworm-slim
# For https to services and TLS to the database; and what commands of workflows need.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home --home-dir /var/lib/piton-worker piton \
    && mkdir /artifacts && chown piton /artifacts
COPY --from=build /build/target/release/piton /usr/local/bin/piton
COPY workflows /workflows
USER piton
ENV PITON_WORKFLOWS=/workflows PITON_ARTIFACT_STORE=/artifacts PITON_METRICS=0.0.0.0:7486 PITON_LOG_FORMAT=json
EXPOSE 7486
# Docker has one kind of check: live is what a restart can mend.
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s CMD ["piton", "health", "--live"]
# SIGTERM lets running stages finish; give them their grace (--grace, 30 s) and the commits behind them.
STOPSIGNAL SIGTERM
# A database that is named is migrated by `piton migrate`, once for each release: run this image with that command first.
ENTRYPOINT ["piton"]
CMD ["worker"]
