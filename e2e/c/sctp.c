#include "probe.h"

#include <string.h>

enum { COMMON_HEADER = 12, INIT_CHUNK = 20, CHUNK_INIT = 1, CHUNK_INIT_ACK = 2, PARAMETER_COOKIE = 7 };

static void put16(uint8_t *at, uint16_t value) {
  at[0] = value >> 8;
  at[1] = value & 0xff;
}

static void put32(uint8_t *at, uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

static uint16_t get16(const uint8_t *at) { return at[0] << 8 | at[1]; }

static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }

/* CRC32c, RFC 9260 appendix A: reflected, and stored with its lowest octet first. */
static uint32_t crc32c(const uint8_t *octets, size_t size) {
  uint32_t crc = 0xffffffff;
  for (size_t at = 0; at < size; at++) {
    crc ^= octets[at];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

static void put_checksum(uint8_t *packet, size_t size) {
  memset(packet + 8, 0, 4);
  uint32_t crc = crc32c(packet, size);
  for (int octet = 0; octet < 4; octet++) packet[8 + octet] = crc >> (8 * octet) & 0xff;
}

static int checksum_is_right(const uint8_t *packet, size_t size) {
  uint8_t copy[SCTP_MAX];
  if (size > sizeof copy) return 0;
  memcpy(copy, packet, size);
  put_checksum(copy, size);
  return memcmp(copy + 8, packet + 8, 4) == 0;
}

static size_t write_init(uint8_t *packet, uint8_t type, uint32_t initiate_tag, const char *cookie) {
  size_t cookie_length = cookie == NULL ? 0 : strlen(cookie) + 1;
  size_t parameter = cookie == NULL ? 0 : 4 + cookie_length;
  uint8_t *chunk = packet + COMMON_HEADER;
  memset(chunk, 0, INIT_CHUNK + parameter + 3);
  chunk[0] = type;
  put16(chunk + 2, INIT_CHUNK + parameter);
  put32(chunk + 4, initiate_tag);
  put32(chunk + 8, 65536); /* advertised receiver window */
  put16(chunk + 12, 1);    /* outbound streams */
  put16(chunk + 14, 1);    /* inbound streams */
  put32(chunk + 16, 1);    /* initial TSN */
  if (cookie != NULL) {
    put16(chunk + INIT_CHUNK, PARAMETER_COOKIE);
    put16(chunk + INIT_CHUNK + 2, parameter);
    memcpy(chunk + INIT_CHUNK + 4, cookie, cookie_length);
  }
  size_t size = COMMON_HEADER + INIT_CHUNK + (parameter + 3) / 4 * 4;
  put_checksum(packet, size);
  return size;
}

size_t sctp_init(uint8_t *packet, uint16_t source_port, uint16_t port, uint32_t tag) {
  put16(packet, source_port);
  put16(packet + 2, port);
  put32(packet + 4, 0);
  return write_init(packet, CHUNK_INIT, tag, NULL);
}

size_t sctp_init_ack(uint8_t *reply, const uint8_t *packet, size_t size, uint16_t port, const char *cookie) {
  if (size < COMMON_HEADER + INIT_CHUNK || packet[COMMON_HEADER] != CHUNK_INIT || get16(packet + 2) != port) return 0;
  if (!checksum_is_right(packet, size)) return 0;
  put16(reply, port);
  put16(reply + 2, get16(packet));
  put32(reply + 4, get32(packet + COMMON_HEADER + 4));
  return write_init(reply, CHUNK_INIT_ACK, 0x6d677931, cookie);
}

int sctp_is_answer(const uint8_t *packet, size_t size, uint16_t source_port, uint16_t port, uint32_t tag, char *cookie,
                   size_t cookie_size) {
  const size_t head = COMMON_HEADER + INIT_CHUNK + 4;
  if (size <= head || packet[COMMON_HEADER] != CHUNK_INIT_ACK) return 0;
  if (get16(packet) != port || get16(packet + 2) != source_port || get32(packet + 4) != tag) return 0;
  if (!checksum_is_right(packet, size) || get16(packet + COMMON_HEADER + INIT_CHUNK) != PARAMETER_COOKIE) return 0;
  size_t length = size - head < cookie_size - 1 ? size - head : cookie_size - 1;
  memcpy(cookie, packet + head, length);
  cookie[length] = '\0';
  return 1;
}

const uint8_t *sctp_payload(int family, const uint8_t *packet, size_t *size) {
  size_t header = family == AF_INET && *size > 0 ? (packet[0] & 0xf) * 4u : 0;
  if (*size < header) return NULL;
  *size -= header;
  return packet + header;
}
