/*
 * Load generator of the BGP benchmark: many BGP sessions in one epoll loop, each dialled from an address of its own.
 * Feeders send UPDATEs encoded beforehand; receivers keep, per prefix, whether they hold it, and check what arrives.
 * Commands come on stdin, one a line; events go to stdout as JSON lines, times in seconds of CLOCK_MONOTONIC.
 *
 *   dut ADDRESS ASN
 *   peer ID SOURCE ASN HOLD                          a session
 *   feed ID FIRST COUNT SETS PER PREPENDS            what it announces: PER prefixes an UPDATE, SETS attribute sets
 *   receive ID COUNT SETS PER                        what it is to hold: prefixes 0 to COUNT-1 of such a table
 *   dial                                             all sessions in the same instant; event "allUp"; a session
 *                                                    without an answer for 3 s is dialled anew
 *   target N                                         event "target" once every receiver holds exactly N prefixes
 *   announce | withdraw                              all feeders; events "first" (first octet) and "sent"
 *   settle MS                                        event "settled": t is when the last UPDATE came
 *   stats                                            event "stats" with each session's counters
 *   gaps                                             forget the longest silence of each session (see "stats")
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PEERS = 1024, FIRST_NETWORK = 20 << 16, READ_CHUNK = 1 << 18, WRITE_CHUNK = 1 << 18 };
enum { FIRST_SET_ASN = 1000000, RETRY_MS = 200, ANSWER_MS = 3000, HEADER = 19 };
enum { OPEN = 1, UPDATE = 2, NOTIFICATION = 3, KEEPALIVE = 4 };
typedef enum { DOWN, CONNECTING, OPEN_SENT, OPEN_CONFIRM, UP } State;

typedef struct {
  uint8_t *octets;
  size_t length, room;
} Buffer;

typedef struct {
  int id, fd;
  State state;
  uint32_t source, asn;
  int hold;
  double retry_at, dialled_at, keepalive_at, heard_at, longest_silence;
  Buffer in, control, announce, withdraw;
  const Buffer *sending;
  size_t sent, control_sent;
  int wants_write;
  /* A receiver: per prefix 0, or 1 + the length of the AS path that came with it. */
  uint8_t *held;
  uint32_t count, sets, per, holds;
  uint64_t updates, announced, withdrawn, wrong, octets;
} Peer;

static Peer *peers[MAX_PEERS];
static int peer_count, up_count, dialling, feeders_left, epoll;
static struct sockaddr_in dut;
static uint32_t dut_asn;
static int target_armed, first_pending, retries;
static uint32_t target;
static double last_update_at, settle_ms = -1;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what) {
  printf("{\"event\":\"error\",\"text\":\"%s: %s\"}\n", what, strerror(errno));
  fflush(stdout);
  exit(1);
}

static void put(Buffer *b, const void *octets, size_t length) {
  if (b->length + length > b->room) {
    b->room = (b->length + length) * 2 + 64;
    b->octets = realloc(b->octets, b->room);
    if (b->octets == NULL) die("memory");
  }
  memcpy(b->octets + b->length, octets, length);
  b->length += length;
}
static void put8(Buffer *b, uint8_t v) { put(b, &v, 1); }
static void put16(Buffer *b, uint16_t v) { v = htons(v); put(b, &v, 2); }
static void put32(Buffer *b, uint32_t v) { v = htonl(v); put(b, &v, 4); }
static uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }

static size_t begin_message(Buffer *b, uint8_t type) {
  static const uint8_t marker[16] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
  size_t start = b->length;
  put(b, marker, 16);
  put16(b, 0);
  put8(b, type);
  return start;
}
static void set16(Buffer *b, size_t at, size_t value) {
  b->octets[at] = (uint8_t)(value >> 8);
  b->octets[at + 1] = (uint8_t)value;
}
static void end_message(Buffer *b, size_t start) { set16(b, start + 16, b->length - start); }

static void put_prefix(Buffer *b, uint32_t index) {
  uint32_t network = FIRST_NETWORK + index;
  uint8_t nlri[4] = {24, (uint8_t)(network >> 16), (uint8_t)(network >> 8), (uint8_t)network};
  put(b, nlri, 4);
}

static void put_attributes(Buffer *b, const Peer *peer, uint32_t set, int prepends) {
  int internal = peer->asn == dut_asn;
  int own = internal ? 0 : 1 + prepends;
  uint8_t origin[4] = {0x40, 1, 1, 0};
  put(b, origin, 4);
  put8(b, 0x40), put8(b, 2), put8(b, (uint8_t)(2 + 4 * (own + 1)));
  put8(b, 2), put8(b, (uint8_t)(own + 1));
  for (int i = 0; i < own; i++) put32(b, peer->asn);
  put32(b, FIRST_SET_ASN + set);
  put8(b, 0x40), put8(b, 3), put8(b, 4), put(b, &peer->source, 4);
  if (internal) put8(b, 0x40), put8(b, 5), put8(b, 4), put32(b, 100);
  put8(b, 0xc0), put8(b, 8), put8(b, 4), put16(b, 64512), put16(b, (uint16_t)set);
}

static void encode_feed(Peer *peer, uint32_t first, uint32_t count, uint32_t sets, uint32_t per, int prepends) {
  for (uint32_t i = first; i < first + count;) {
    size_t start = begin_message(&peer->announce, UPDATE);
    put16(&peer->announce, 0);
    size_t length_at = peer->announce.length;
    put16(&peer->announce, 0);
    put_attributes(&peer->announce, peer, i / per % sets, prepends);
    set16(&peer->announce, length_at, peer->announce.length - length_at - 2);
    uint32_t end = (i / per + 1) * per;
    for (; i < end && i < first + count; i++) put_prefix(&peer->announce, i);
    end_message(&peer->announce, start);
  }
  for (uint32_t i = first; i < first + count;) {
    size_t start = begin_message(&peer->withdraw, UPDATE);
    size_t length_at = peer->withdraw.length;
    put16(&peer->withdraw, 0);
    for (int n = 0; n < 900 && i < first + count; n++, i++) put_prefix(&peer->withdraw, i);
    set16(&peer->withdraw, length_at, peer->withdraw.length - length_at - 2);
    put16(&peer->withdraw, 0);
    end_message(&peer->withdraw, start);
  }
}

static void watch(Peer *peer, int op) {
  struct epoll_event e = {.events = EPOLLIN | (peer->wants_write ? EPOLLOUT : 0), .data.ptr = peer};
  if (epoll_ctl(epoll, op, peer->fd, &e) < 0) die("epoll_ctl");
}
static void want_write(Peer *peer, int wanted) {
  if (peer->wants_write == wanted) return;
  peer->wants_write = wanted;
  watch(peer, EPOLL_CTL_MOD);
}

static void dial(Peer *peer) {
  peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (peer->fd < 0) die("socket");
  int one = 1;
  setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = peer->source};
  if (bind(peer->fd, (struct sockaddr *)&from, sizeof from) < 0) die("bind");
  if (connect(peer->fd, (struct sockaddr *)&dut, sizeof dut) < 0 && errno != EINPROGRESS) die("connect");
  peer->state = CONNECTING;
  peer->dialled_at = now();
  peer->wants_write = 1;
  watch(peer, EPOLL_CTL_ADD);
}

static void hang_up(Peer *peer, const char *why) {
  if (peer->state == UP) {
    up_count--;
    printf("{\"event\":\"lost\",\"peer\":%d,\"why\":\"%s\",\"t\":%.6f}\n", peer->id, why, now());
    fflush(stdout);
  } else {
    retries++;
  }
  close(peer->fd);
  peer->fd = -1;
  peer->state = DOWN;
  peer->sending = NULL;
  peer->in.length = peer->control.length = peer->control_sent = 0;
  peer->retry_at = now() + RETRY_MS / 1000.0;
}

static void send_open(Peer *peer) {
  static const uint8_t multiprotocol[8] = {2, 6, 1, 4, 0, 1, 0, 1};
  size_t start = begin_message(&peer->control, OPEN);
  put8(&peer->control, 4);
  put16(&peer->control, peer->asn > 65535 ? 23456 : (uint16_t)peer->asn);
  put16(&peer->control, (uint16_t)peer->hold);
  put(&peer->control, &peer->source, 4);
  put8(&peer->control, 8 + 8);
  put(&peer->control, multiprotocol, 8);
  put8(&peer->control, 2), put8(&peer->control, 6), put8(&peer->control, 65), put8(&peer->control, 4);
  put32(&peer->control, peer->asn);
  end_message(&peer->control, start);
}
static void send_keepalive(Peer *peer) {
  end_message(&peer->control, begin_message(&peer->control, KEEPALIVE));
  peer->keepalive_at = now() + peer->hold / 3.0;
}

/* Writes what waits: first control messages, then the feed; they never mix within a message. */
static void flush_peer(Peer *peer) {
  for (int turn = 0; turn < 4; turn++) {
    int control = peer->control.length > 0 && (peer->sending == NULL || peer->sent == 0);
    const Buffer *b = control ? &peer->control : peer->sending;
    if (b == NULL) break;
    size_t *sent = control ? &peer->control_sent : &peer->sent;
    size_t length = b->length - *sent;
    if (first_pending && !control) {
      first_pending = 0;
      printf("{\"event\":\"first\",\"t\":%.6f}\n", now());
    }
    ssize_t n = write(peer->fd, b->octets + *sent, length < WRITE_CHUNK ? length : WRITE_CHUNK);
    if (n < 0 && errno == EAGAIN) {
      want_write(peer, 1);
      return;
    }
    if (n < 0) {
      hang_up(peer, "write");
      return;
    }
    *sent += (size_t)n;
    if (*sent < b->length) continue;
    *sent = 0;
    if (control) {
      peer->control.length = 0;
    } else {
      peer->sending = NULL;
      if (--feeders_left == 0) printf("{\"event\":\"sent\",\"t\":%.6f}\n", now());
    }
  }
  want_write(peer, peer->sending != NULL || peer->control.length > 0);
}

static void hold_prefix(Peer *peer, const uint8_t *nlri, uint8_t mark, uint32_t origin_asn) {
  uint32_t index = ((uint32_t)nlri[1] << 16 | (uint32_t)nlri[2] << 8 | nlri[3]) - FIRST_NETWORK;
  if (nlri[0] != 24 || index >= peer->count) {
    peer->wrong++;
    return;
  }
  if (mark != 0 && origin_asn != FIRST_SET_ASN + index / peer->per % peer->sets) peer->wrong++;
  if (mark != 0 && peer->held[index] == 0) peer->holds++;
  if (mark == 0 && peer->held[index] != 0) peer->holds--;
  peer->held[index] = mark;
}

/* Origin AS of the path, its length in *count; 0 when it is not what a receiver must get. */
static uint32_t check_path(const Peer *peer, const uint8_t *path, size_t length, uint32_t *count) {
  uint32_t first = 0, last = 0;
  *count = 0;
  for (size_t at = 0; at + 2 <= length;) {
    uint32_t asns = path[at + 1];
    if (path[at] != 2 || asns == 0 || at + 2 + 4 * asns > length) return 0;
    if (*count == 0) first = get32(path + at + 2);
    last = get32(path + at + 2 + 4 * (asns - 1));
    *count += asns;
    at += 2 + 4 * asns;
  }
  return peer->asn != dut_asn && first != dut_asn ? 0 : last;
}

static void take_update(Peer *peer, const uint8_t *body, size_t length) {
  peer->updates++;
  if (peer->held == NULL) return;
  size_t withdrawn = length >= 4 ? get16(body) : length;
  if (withdrawn + 4 > length) die("UPDATE too short");
  const uint8_t *at = body + 2, *attributes = at + withdrawn + 2, *end = body + length;
  const uint8_t *nlri = attributes + get16(attributes - 2);
  if (nlri > end) die("UPDATE attributes overrun");
  for (; at + 4 <= attributes - 2; at += 4, peer->withdrawn++) hold_prefix(peer, at, 0, 0);
  uint32_t origin = 0, path_length = 0;
  for (const uint8_t *a = attributes; a + 3 <= nlri;) {
    size_t header = a[0] & 0x10 ? 4 : 3, size = a[0] & 0x10 ? get16(a + 2) : a[2];
    if (a[1] == 2) origin = check_path(peer, a + header, size, &path_length);
    if (a[1] == 14 || a[1] == 15) peer->wrong += size > 3;
    a += header + size;
  }
  uint8_t mark = path_length < 254 ? (uint8_t)(path_length + 1) : 255;
  for (at = nlri; at + 4 <= end; at += 4, peer->announced++) hold_prefix(peer, at, mark, origin);
  if (at != end) peer->wrong++;
  last_update_at = now();
}

static void take_message(Peer *peer, const uint8_t *message, size_t length) {
  switch (message[18]) {
    case OPEN:
      if (peer->state != OPEN_SENT) break;
      send_keepalive(peer);
      peer->state = OPEN_CONFIRM;
      break;
    case KEEPALIVE:
      if (peer->state != OPEN_CONFIRM) break;
      peer->state = UP;
      up_count++;
      if (dialling && up_count == peer_count) {
        dialling = 0;
        printf("{\"event\":\"allUp\",\"t\":%.6f,\"retries\":%d}\n", now(), retries);
      }
      break;
    case UPDATE:
      take_update(peer, message + HEADER, length - HEADER);
      break;
    case NOTIFICATION:
      fprintf(stderr, "peer %d: NOTIFICATION %d/%d\n", peer->id, message[HEADER], message[HEADER + 1]);
      break;
    default:
      die("message type");
  }
}

static void check_target(void) {
  if (!target_armed) return;
  for (int i = 0; i < peer_count; i++)
    if (peers[i]->held != NULL && peers[i]->holds != target) return;
  target_armed = 0;
  printf("{\"event\":\"target\",\"n\":%u,\"t\":%.6f}\n", target, now());
}

static void read_peer(Peer *peer) {
  Buffer *in = &peer->in;
  if (in->room < READ_CHUNK + 65536) in->octets = realloc(in->octets, in->room = READ_CHUNK + 65536);
  ssize_t n = read(peer->fd, in->octets + in->length, READ_CHUNK);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    hang_up(peer, n == 0 ? "closed" : "read");
    return;
  }
  double t = now();
  if (peer->heard_at > 0 && t - peer->heard_at > peer->longest_silence) peer->longest_silence = t - peer->heard_at;
  peer->heard_at = t;
  peer->octets += (size_t)n;
  in->length += (size_t)n;
  size_t at = 0;
  uint32_t held = peer->holds;
  while (in->length - at >= HEADER) {
    size_t length = get16(in->octets + at + 16);
    if (length < HEADER) die("message length");
    if (in->length - at < length) break;
    take_message(peer, in->octets + at, length);
    at += length;
  }
  memmove(in->octets, in->octets + at, in->length - at);
  in->length -= at;
  if (peer->holds != held) check_target();
  if (peer->control.length > 0) flush_peer(peer);
}

static void on_ready(Peer *peer, uint32_t events) {
  if (peer->state == CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      hang_up(peer, strerror(error));
      return;
    }
    peer->state = OPEN_SENT;
    send_open(peer);
    flush_peer(peer);
    return;
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_peer(peer);
  if (peer->fd >= 0 && events & EPOLLOUT) flush_peer(peer);
}

static void start_sending(int withdraw) {
  first_pending = 1;
  feeders_left = 0;
  for (int i = 0; i < peer_count; i++) feeders_left += peers[i]->announce.length > 0;
  for (int i = 0; i < peer_count; i++) {
    if (peers[i]->announce.length == 0) continue;
    peers[i]->sending = withdraw ? &peers[i]->withdraw : &peers[i]->announce;
    peers[i]->sent = 0;
    if (peers[i]->state != UP) die("a feeder is not up");
    want_write(peers[i], 1);
  }
}

static void print_stats(void) {
  printf("{\"event\":\"stats\",\"t\":%.6f,\"receivers\":[", now());
  const char *comma = "";
  for (int i = 0; i < peer_count; i++) {
    Peer *p = peers[i];
    uint32_t shortest = 255, at_shortest = 0;
    for (uint32_t n = 0; n < p->count; n++)
      if (p->held[n] != 0 && p->held[n] < shortest) shortest = p->held[n];
    for (uint32_t n = 0; n < p->count; n++) at_shortest += p->held[n] == shortest;
    double silence = p->heard_at > 0 ? now() - p->heard_at : 0;
    if (silence < p->longest_silence) silence = p->longest_silence;
    printf("%s{\"peer\":%d,\"holds\":%u,\"wrong\":%lu,\"updates\":%lu,\"announced\":%lu,\"withdrawn\":%lu,"
           "\"octets\":%lu,\"shortestPath\":%u,\"withShortestPath\":%u,\"longestSilence\":%.6f}",
           comma, p->id, p->holds, p->wrong, p->updates, p->announced, p->withdrawn, p->octets,
           shortest == 255 ? 0 : shortest - 1, at_shortest, silence);
    comma = ",";
  }
  printf("]}\n");
}

static void define_peer(int id, const char *source, uint32_t asn, int hold) {
  if (id != peer_count || id >= MAX_PEERS) die("peers must be numbered from 0");
  Peer *peer = calloc(1, sizeof *peer);
  peer->id = id, peer->fd = -1, peer->asn = asn, peer->hold = hold;
  if (inet_pton(AF_INET, source, &peer->source) != 1) die("source address");
  peers[peer_count++] = peer;
}

static void obey(const char *line) {
  char text[64];
  uint32_t a, b, c, d, e, f;
  if (sscanf(line, "dut %63s %u", text, &dut_asn) == 2) {
    dut.sin_family = AF_INET, dut.sin_port = htons(179);
    if (inet_pton(AF_INET, text, &dut.sin_addr) != 1) die("dut address");
  } else if (sscanf(line, "peer %u %63s %u %u", &a, text, &b, &c) == 4) {
    define_peer((int)a, text, b, (int)c);
  } else if (sscanf(line, "feed %u %u %u %u %u %u", &a, &b, &c, &d, &e, &f) == 6) {
    encode_feed(peers[a], b, c, d, e, (int)f);
  } else if (sscanf(line, "receive %u %u %u %u", &a, &b, &c, &d) == 4) {
    peers[a]->held = calloc(b, 1);
    peers[a]->count = b, peers[a]->sets = c, peers[a]->per = d;
  } else if (strcmp(line, "dial") == 0) {
    dialling = 1;
    printf("{\"event\":\"dial\",\"t\":%.6f}\n", now());
    for (int i = 0; i < peer_count; i++) dial(peers[i]);
  } else if (sscanf(line, "target %u", &target) == 1) {
    target_armed = 1;
    check_target();
  } else if (strcmp(line, "announce") == 0 || strcmp(line, "withdraw") == 0) {
    start_sending(line[0] == 'w');
  } else if (sscanf(line, "settle %u", &a) == 1) {
    settle_ms = a;
  } else if (strcmp(line, "stats") == 0) {
    print_stats();
  } else if (strcmp(line, "gaps") == 0) {
    for (int i = 0; i < peer_count; i++) peers[i]->longest_silence = 0;
  } else {
    die("unknown command");
  }
}

static void read_commands(void) {
  static char text[1 << 16];
  static size_t length;
  ssize_t n = read(0, text + length, sizeof text - length);
  if (n <= 0) exit(0);
  length += (size_t)n;
  char *line = text, *end;
  while ((end = memchr(line, '\n', length - (size_t)(line - text))) != NULL) {
    *end = 0;
    obey(line);
    line = end + 1;
  }
  length -= (size_t)(line - text);
  memmove(text, line, length);
}

static void on_time(double t) {
  for (int i = 0; i < peer_count; i++) {
    Peer *p = peers[i];
    int unanswered = p->state == CONNECTING || p->state == OPEN_SENT;
    if (unanswered && (t - p->dialled_at) * 1000 >= ANSWER_MS) hang_up(p, "no answer");
    if (p->state == DOWN && p->retry_at > 0 && t >= p->retry_at) dial(p);
    if (p->state == UP && t >= p->keepalive_at && p->sending == NULL) {
      send_keepalive(p);
      flush_peer(p);
    }
  }
  if (settle_ms >= 0 && last_update_at > 0 && (t - last_update_at) * 1000 >= settle_ms) {
    settle_ms = -1;
    printf("{\"event\":\"settled\",\"t\":%.6f}\n", last_update_at);
  }
}

int main(void) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event stdin_event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &stdin_event) < 0) die("epoll");
  double next_tick = 0;
  for (;;) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll, events, 256, 50);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr == NULL) read_commands();
      else if (((Peer *)events[i].data.ptr)->fd >= 0) on_ready(events[i].data.ptr, events[i].events);
    }
    double t = now();
    if (t >= next_tick) {
      on_time(t);
      next_tick = t + 0.05;
    }
    fflush(stdout);
  }
}
