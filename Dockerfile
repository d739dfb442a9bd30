# byeguard for a container: docker build -t byeguard .
#
# The image holds byeguard alone, for a PostgreSQL and a Kamailio elsewhere. Where
# Kamailio's evapi and JSON-RPC listen on loopback, as they should, byeguard
# shares its network: docker-compose.yml shows how.

FROM golang:1.26-bookworm AS build
WORKDIR /src
# Modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=${VERSION}" -o /out/byeguard ./cmd/byeguard

FROM debian:bookworm-slim
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates tzdata \
	&& rm -rf /var/lib/apt/lists/* \
	&& groupadd --system --gid 10001 byeguard \
	&& useradd --system --uid 10001 --gid byeguard --home-dir /var/lib/byeguard --no-create-home --shell /usr/sbin/nologin byeguard \
	&& install -d -o byeguard -g byeguard -m 0750 /var/lib/byeguard
COPY --from=build /out/byeguard /usr/bin/byeguard
USER byeguard
WORKDIR /var/lib/byeguard
# The private PostgreSQL, where no database is configured: keep it across restarts.
VOLUME /var/lib/byeguard
ENV BYEGUARD_DATA_DIR=/var/lib/byeguard
# The watchdog's parent process passes it on and waits for an orderly end.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/byeguard"]
CMD ["serve"]
