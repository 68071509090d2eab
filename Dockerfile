# The daemon alone. First: cargo xtask package --static
#
#   docker build --tag shardwise .
#   docker run --rm --network host shardwise local     # Kinesis and DynamoDB on loopback
#
# For a program of yours, take the binary into its image:
#
#   COPY --from=shardwise /shardwise /usr/local/bin/shardwise

FROM debian:stable-slim AS certificates
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates

FROM scratch
# AWS is spoken to with TLS; the binary brings no certificates of its own.
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# `cargo xtask package --static --check` has run the very file where there is nothing else, and
# `cargo xtask test static` does so with that of the tests.
COPY target/package/linux-x64-musl/bin/shardwise /shardwise
# nobody: there is no file of names here.
USER 65534:65534
ENTRYPOINT ["/shardwise"]
