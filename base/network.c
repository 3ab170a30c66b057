// SPDX-License-Identifier: Apache-2.0
#include "base/network.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

enum { ADDRESS_BITS = 128, MAPPED_BITS = 96, MAPPED_BYTES = MAPPED_BITS / 8 };

/* ------------------------------------------------------------------ addresses */

static void map_ipv4(const struct in_addr *address, struct in6_addr *ret)
{
    *ret = (struct in6_addr){0};
    ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
    memcpy(&ret->s6_addr[MAPPED_BYTES], address, sizeof(*address));
}

bool network_address(const struct sockaddr *address, struct in6_addr *ret)
{
    if (address->sa_family == AF_INET)
        map_ipv4(&((const struct sockaddr_in *)(const void *)address)->sin_addr, ret);
    else if (address->sa_family == AF_INET6)
        *ret = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    else
        return false;
    return true;
}

int network_address_parse(const char *text, struct in6_addr *ret)
{
    struct in_addr short_one;
    if (inet_pton(AF_INET, text, &short_one) == 1) {
        map_ipv4(&short_one, ret);
        return 0;
    }
    struct in6_addr address;
    if (inet_pton(AF_INET6, text, &address) != 1)
        return ERROR_BAD_REQUEST;
    *ret = address;
    return 0;
}

void network_address_write(const struct in6_addr *address, char ret[INET6_ADDRSTRLEN])
{
    bool is_mapped = IN6_IS_ADDR_V4MAPPED(address);
    const void *bytes = is_mapped ? &address->s6_addr[MAPPED_BYTES] : address->s6_addr;
    if (!inet_ntop(is_mapped ? AF_INET : AF_INET6, bytes, ret, INET6_ADDRSTRLEN))
        str_copy(ret, INET6_ADDRSTRLEN, "-");
}

bool network_is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[MAPPED_BYTES] == 127);
}

/* ------------------------------------------------------------------- networks */

/* The number of bits after the slash; `most` without a slash. -1: not such a number. */
static int parse_bits(const char *text, int most)
{
    if (!text)
        return most;
    int bits = 0;
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 3 || text[length])
        return -1;
    for (size_t i = 0; i < length; i++)
        bits = bits * 10 + (text[i] - '0');
    return bits > most ? -1 : bits;
}

static void clear_from(struct in6_addr *address, unsigned bits)
{
    for (unsigned i = bits; i < ADDRESS_BITS; i++)
        address->s6_addr[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
}

int network_parse(const char *text, struct network *ret)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    if (length >= sizeof(address))
        return ERROR_BAD_REQUEST;
    memcpy(address, text, length);
    address[length] = '\0';
    bool is_short = !strchr(address, ':');
    int bits =
        parse_bits(slash ? slash + 1 : NULL, is_short ? ADDRESS_BITS - MAPPED_BITS : ADDRESS_BITS);
    struct network network;
    if (bits < 0 || network_address_parse(address, &network.address))
        return ERROR_BAD_REQUEST;
    network.bits = (unsigned)bits + (is_short ? MAPPED_BITS : 0);
    clear_from(&network.address, network.bits);
    *ret = network;
    return 0;
}

bool network_has(const struct network *network, const struct in6_addr *address)
{
    struct in6_addr start = *address;
    clear_from(&start, network->bits);
    return memcmp(&start, &network->address, sizeof(start)) == 0;
}

int network_list_read(const char *const *texts, struct network_list *ret)
{
    size_t count = 0;
    while (texts && texts[count])
        count++;
    struct network_list list = {calloc(count + 1, sizeof(*list.list)), count};
    if (!list.list)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        int r = network_parse(texts[i], &list.list[i]);
        if (r) {
            network_list_release(&list);
            return r;
        }
    }
    *ret = list;
    return 0;
}

void network_list_release(struct network_list *list)
{
    free(list->list);
    *list = (struct network_list){0};
}

bool network_list_has(const struct network_list *list, const struct in6_addr *address)
{
    for (size_t i = 0; i < list->count; i++)
        if (network_has(&list->list[i], address))
            return true;
    return false;
}
