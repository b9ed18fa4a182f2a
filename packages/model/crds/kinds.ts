import {
  boolean,
  described,
  integer,
  type Kind,
  list,
  map,
  object,
  oneOf,
  type Schema,
  selector,
  string,
  unsupported,
  unsupportedFields,
  unsupportedUnless,
  validated,
} from './schema.ts'

const condition = object(
  {
    type: string({ maxLength: 316 }),
    status: oneOf('True', 'False', 'Unknown'),
    reason: string({ maxLength: 1024 }),
    message: string({ maxLength: 32768 }),
    lastTransitionTime: string({ format: 'date-time' }),
    observedGeneration: integer(0),
  },
  { required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'] },
)
const conditions = list(condition, { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })

const immutable = (schema: Schema): Schema =>
  validated(schema, { rule: 'self == oldSelf', message: 'this field is immutable' })
const duration = (): Schema => string({ pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$', maxLength: 32 })
/** An AS number as an integer or in the dotted notation of RFC 5396. */
const asNumber = (): Schema => ({ 'x-kubernetes-int-or-string': true })

const ipPool: Kind = {
  kind: 'IPPool',
  plural: 'ippools',
  columns: [
    { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
    { name: 'NAT', type: 'boolean', jsonPath: '.spec.natOutgoing' },
    { name: 'Disabled', type: 'boolean', jsonPath: '.spec.disabled' },
    { name: 'Allocatable', type: 'string', jsonPath: '.status.conditions[?(@.type=="Allocatable")].status' },
    { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Allocatable")].reason', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
  spec: validated(
    object(
      {
        cidr: described(
          'The pool, as a CIDR block with its host bits zero.',
          validated(immutable(string({ maxLength: 48, format: 'cidr' })), {
            rule: "!self.startsWith('169.254.') && !self.lowerAscii().startsWith('fe80:')",
            message: 'must not be link-local',
          }),
        ),
        blockSize: described(
          'Prefix length of the blocks that nodes take from the pool: 20 to 32 (26) for IPv4, 116 to 128 (122) for IPv6.',
          immutable(integer(20, 128)),
        ),
        natOutgoing: described(
          'Whether traffic from pods to outside all pools gets the address of the node.',
          boolean({ default: false }),
        ),
        disabled: described('No new addresses are taken from the pool.', boolean({ default: false })),
        disableBGPExport: described('The blocks of the pool are not advertised.', boolean({ default: false })),
        nodeSelector: described('The nodes that may take addresses from the pool.', {
          ...selector(),
          default: 'all()',
        }),
        namespaceSelector: described('The namespaces whose pods may have addresses of the pool.', selector()),
        allowedUses: list(
          validated(string(), {
            rule: "self in ['Workload', 'Tunnel']",
            message: 'must be Workload or Tunnel: Margay does not assign LoadBalancer addresses yet',
          }),
          { maxItems: 10, 'x-kubernetes-list-type': 'set' },
        ),
        assignmentMode: oneOf('Automatic', 'Manual'),
        ipipMode: unsupportedUnless(oneOf('Never', 'Always', 'CrossSubnet'), "'Never'"),
        vxlanMode: unsupportedUnless(oneOf('Never', 'Always', 'CrossSubnet'), "'Never'"),
      },
      { required: ['cidr'] },
    ),
    {
      rule: "!has(self.blockSize) || (self.cidr.contains(':') ? self.blockSize >= 116 : self.blockSize <= 32)",
      message: 'blockSize must be 20 to 32 for an IPv4 pool, 116 to 128 for an IPv6 pool',
    },
    {
      rule: "!has(self.blockSize) || int(self.cidr.split('/')[1]) <= self.blockSize",
      message: 'a block of blockSize does not fit the cidr',
    },
    { rule: '!has(oldSelf.blockSize) || has(self.blockSize)', message: 'blockSize is immutable' },
  ),
  status: object({ conditions }),
}

const bgpConfiguration: Kind = {
  kind: 'BGPConfiguration',
  plural: 'bgpconfigurations',
  validations: [
    { rule: "self.metadata.name == 'default'", message: "Margay reads the BGPConfiguration named 'default' only" },
  ],
  spec: object({
    asNumber: described("The nodes' AS number, unless a node has its own. Default 64512.", asNumber()),
    nodeToNodeMeshEnabled: described('Whether every node peers with every other. Default true.', boolean()),
    listenPort: described('The TCP port that the speakers listen on. Default 179.', integer(1, 65535)),
    logSeverityScreen: unsupportedUnless(string(), "'Info'"),
    ...unsupportedFields({
      strings:
        'serviceLoadBalancerAggregation nodeMeshMaxRestartTime bindMode localWorkloadPeeringIPV4 localWorkloadPeeringIPV6 programClusterRoutes',
      integers: 'ipv4NormalRoutePriority ipv6NormalRoutePriority',
      objects: 'nodeMeshPassword',
      objectLists: 'serviceLoadBalancerIPs serviceExternalIPs serviceClusterIPs communities prefixAdvertisements',
      stringLists: 'ignoredInterfaces',
    }),
  }),
}

const bgpPeer: Kind = {
  kind: 'BGPPeer',
  plural: 'bgppeers',
  columns: [
    { name: 'Peer', type: 'string', jsonPath: '.spec.peerIP' },
    { name: 'AS', type: 'string', jsonPath: '.spec.asNumber' },
    { name: 'Node', type: 'string', jsonPath: '.spec.node' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
  spec: validated(
    object({
      node: described('The one node that has this peer.', string({ maxLength: 253 })),
      nodeSelector: described('The nodes that have this peer; without node and nodeSelector all have it.', selector()),
      peerIP: described(
        'The address of the peer, with an optional port: 10.0.0.1, 10.0.0.1:179, [fd00::1]:179.',
        string({ maxLength: 64, minLength: 2 }),
      ),
      peerSelector: described('The nodes that are the peers.', selector()),
      asNumber: described('The AS number of the peer.', asNumber()),
      sourceAddress: oneOf('UseNodeIP', 'None'),
      nextHopMode: oneOf('Auto', 'Self', 'Keep'),
      ...unsupportedFields({
        integers: 'localASNumber numAllowedLocalASNumbers ttlSecurity',
        strings: 'maxRestartTime keepaliveTime reachableBy localWorkloadSelector reversePeering',
        objects: 'password',
        stringLists: 'filters',
        booleans: 'keepOriginalNextHop',
      }),
    }),
    { rule: '!(has(self.node) && has(self.nodeSelector))', message: 'node and nodeSelector must not stand together' },
    { rule: 'has(self.peerIP) != has(self.peerSelector)', message: 'one of peerIP and peerSelector is required' },
    {
      rule: 'has(self.peerIP) == has(self.asNumber)',
      message: 'asNumber is required with peerIP and not allowed with peerSelector',
    },
  ),
}

const felixConfiguration: Kind = {
  kind: 'FelixConfiguration',
  plural: 'felixconfigurations',
  validations: [
    { rule: "self.metadata.name == 'default'", message: "Margay reads the FelixConfiguration named 'default' only" },
  ],
  spec: object({
    defaultEndpointToHostAction: described(
      "What becomes of a pod's traffic to its own node, where policy allows it. Default Drop.",
      oneOf('Drop', 'Accept', 'Return'),
    ),
    iptablesBackend: unsupportedUnless(oneOf('Auto', 'Legacy', 'NFT'), "'Auto'"),
    iptablesFilterDenyAction: described('What denied packets meet. Default Drop.', oneOf('Drop', 'Reject')),
    logSeverityScreen: oneOf('Debug', 'Info', 'Warning', 'Error', 'Fatal'),
    iptablesRefreshInterval: described('How often the rules are read back. Default 180s.', duration()),
    ipsetsRefreshInterval: described('How often the IP sets are read back. Default 90s.', duration()),
    routeRefreshInterval: described('How often the routes are read back. Default 90s.', duration()),
    bpfEnabled: unsupportedUnless(boolean(), 'false'),
    wireguardEnabled: unsupportedUnless(boolean(), 'false'),
    wireguardEnabledV6: unsupportedUnless(boolean(), 'false'),
    ipipEnabled: unsupportedUnless(boolean(), 'false'),
    vxlanEnabled: unsupportedUnless(boolean(), 'false'),
    ...unsupportedFields({
      strings:
        'logSeverityFile logSeveritySys logFilePath logDebugFilenameRegex debugHost logPrefix logActionRateLimit healthHost healthTimeoutOverrides prometheusMetricsHost prometheusMetricsCAFile prometheusMetricsCertFile prometheusMetricsKeyFile prometheusMetricsClientAuth nftablesMode chainInsertMode featureDetectOverride nftablesRefreshInterval iptablesPostWriteCheckInterval iptablesLockProbeInterval interfaceRefreshInterval netlinkTimeout interfacePrefix interfaceExclude mtuIfacePattern iptablesFilterAllowAction iptablesMangleAllowAction serviceLoopPrevention workloadSourceSpoofing programClusterRoutes routeSource deviceRouteSourceAddress deviceRouteSourceAddressIPv6 ipForwarding awsSrcDstCheck liveMigrationRouteConvergenceTime localSubnetL2Reachability natOutgoingAddress natOutgoingExclusions iptablesNATOutgoingInterfaceFilter floatingIPs wireguardInterfaceName wireguardInterfaceNameV6 wireguardKeepAlive flowLogsFlushInterval flowLogsGoldmaneServer flowLogsLocalReporter flowLogsPolicyEvaluationMode endpointStatusPathPrefix policySyncPathPrefix reportingInterval',
      integers:
        'debugPort logActionRateLimitBurst healthPort prometheusMetricsPort maxIpsetSize iptablesMarkMask nftablesMarkMask ipipMTU vxlanMTU vxlanMTUV6 vxlanPort vxlanVNI deviceRouteProtocol ipv4NormalRoutePriority ipv6NormalRoutePriority ipv4ElevatedRoutePriority ipv6ElevatedRoutePriority wireguardListeningPort wireguardListeningPortV6 wireguardMTU wireguardMTUV6 wireguardRoutingRulePriority',
      booleans:
        'healthEnabled prometheusMetricsEnabled prometheusGoMetricsEnabled prometheusProcessMetricsEnabled prometheusWireGuardMetricsEnabled ipv6Support useInternalDataplaneDriver disableConntrackInvalidCheck allowVXLANPacketsFromWorkloads allowIPIPPacketsFromWorkloads routeSyncDisabled removeExternalRoutes wireguardHostEncryptionEnabled wireguardThreadingEnabled usageReportingEnabled',
      objects: 'routeTableRange',
      objectLists: 'failsafeInboundHostPorts failsafeOutboundHostPorts routeTableRanges',
      stringLists: 'externalNodesList kubeNodePortRanges',
    }),
    natPortRange: unsupported({ 'x-kubernetes-int-or-string': true }),
  }),
}

const ipamConfiguration: Kind = {
  kind: 'IPAMConfiguration',
  plural: 'ipamconfigurations',
  validations: [
    { rule: "self.metadata.name == 'default'", message: "Margay reads the IPAMConfiguration named 'default' only" },
  ],
  spec: validated(
    object({
      strictAffinity: described(
        'Nodes never take single addresses from the blocks of others. Default false.',
        boolean(),
      ),
      maxBlocksPerHost: described('0 means 20.', integer(0, 1000000)),
      autoAllocateBlocks: described('Nodes may claim new blocks. Default true.', boolean()),
      kubeVirtVMAddressPersistence: unsupportedUnless(string(), "'Disabled'"),
      ipCooldownSeconds: unsupportedUnless(integer(0, 1200), '0'),
    }),
    {
      rule: '!has(self.maxBlocksPerHost) || self.maxBlocksPerHost == 0 || (has(self.strictAffinity) && self.strictAffinity)',
      message: 'maxBlocksPerHost needs strictAffinity',
    },
    {
      rule: '!has(self.autoAllocateBlocks) || self.autoAllocateBlocks || (has(self.strictAffinity) && self.strictAffinity)',
      message: 'autoAllocateBlocks: false needs strictAffinity',
    },
  ),
}

const blockAffinity: Kind = {
  kind: 'BlockAffinity',
  plural: 'blockaffinities',
  columns: [
    { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
    { name: 'Node', type: 'string', jsonPath: '.spec.node' },
    { name: 'State', type: 'string', jsonPath: '.spec.state' },
  ],
  spec: object(
    {
      state: oneOf('pending', 'confirmed', 'pendingDeletion'),
      node: string({ maxLength: 253 }),
      type: oneOf('host', 'virtual'),
      cidr: string({ format: 'cidr', maxLength: 48 }),
      deleted: boolean(),
    },
    { required: ['state', 'node', 'cidr'] },
  ),
}

const ipamBlock: Kind = {
  kind: 'IPAMBlock',
  plural: 'ipamblocks',
  columns: [
    { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
    { name: 'Affinity', type: 'string', jsonPath: '.spec.affinity' },
  ],
  spec: object(
    {
      cidr: string({ format: 'cidr', maxLength: 48 }),
      affinity: string({ maxLength: 260 }),
      affinityClaimTime: string({ format: 'date-time' }),
      allocations: list(integer(0, undefined, { nullable: true }), { maxItems: 4096 }),
      unallocated: list(integer(0), { maxItems: 4096 }),
      attributes: list(
        object({
          handle_id: string({ maxLength: 1024 }),
          secondary: map(string({ maxLength: 1024 })),
          alternateOwnerAttrs: map(string({ maxLength: 1024 })),
          releasedAt: string({ format: 'date-time' }),
        }),
        { maxItems: 4096 },
      ),
      sequenceNumber: integer(0),
      sequenceNumberForAllocation: map(integer(0)),
      strictAffinity: boolean(),
      deleted: boolean(),
    },
    { required: ['cidr', 'allocations', 'unallocated', 'attributes'] },
  ),
}

const ipamHandle: Kind = {
  kind: 'IPAMHandle',
  plural: 'ipamhandles',
  spec: object(
    { handleID: string({ maxLength: 1024 }), block: map(integer(0)), deleted: boolean() },
    { required: ['handleID', 'block'] },
  ),
}

/** Calico's own policies: their kinds are there so that a mistake is told; every object is refused until enforced. */
const refusedPolicy = (kind: string, plural: string, shortNames: string[], namespaced: boolean): Kind => ({
  kind,
  plural,
  shortNames,
  namespaced,
  validations: [
    {
      rule: 'false',
      message: `Margay does not enforce the projectcalico.org ${kind} yet: use networking.k8s.io/v1 NetworkPolicy`,
    },
  ],
  spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
})

export const KINDS: readonly Kind[] = [
  ipPool,
  bgpConfiguration,
  bgpPeer,
  felixConfiguration,
  ipamConfiguration,
  blockAffinity,
  ipamBlock,
  ipamHandle,
  refusedPolicy('NetworkPolicy', 'networkpolicies', ['cnp', 'caliconetworkpolicy'], true),
  refusedPolicy('GlobalNetworkPolicy', 'globalnetworkpolicies', ['gnp'], false),
]
