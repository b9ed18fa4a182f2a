# The image of `margay agent` and `margay kube-controllers`: the sources, which Node runs as they are, and the programs
# that the agent uses. docker build -t margay:dev .

FROM debian:bookworm-slim AS cni
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src/packages/cni
COPY packages/cni/Makefile ./
COPY packages/cni/c c
RUN make

FROM node:24-bookworm-slim AS modules
WORKDIR /opt/margay
COPY package.json package-lock.json ./
COPY packages packages
COPY e2e/package.json e2e/
COPY bench/package.json bench/
# Only what the command line needs, in the workspace layout: Node strips types from sources outside node_modules alone.
# "npm ci" would refuse a lock file that lacks another platform's packages; the versions are the lock file's all the same.
RUN npm install --no-save --omit=dev --workspace=@margay/cli --no-audit --no-fund \
 # bin/margay runs the Node that the repository pins; here that is the image's.
 && mkdir -p node_modules/node/bin \
 && ln -s /usr/local/bin/node node_modules/node/bin/node \
 && rm -rf e2e bench packages/*/test

FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends conntrack iproute2 ipset iptables kmod \
 && rm -rf /var/lib/apt/lists/*
COPY --from=modules /opt/margay /opt/margay
COPY --from=cni /src/packages/cni/build/margay-cni /usr/local/lib/margay/margay-cni
RUN ln -s /opt/margay/packages/cli/bin/margay /usr/local/bin/margay
ENV NODE_ENV=production
LABEL org.opencontainers.image.title=margay \
      org.opencontainers.image.licenses=Apache-2.0
ENTRYPOINT ["margay"]
CMD ["--help"]
