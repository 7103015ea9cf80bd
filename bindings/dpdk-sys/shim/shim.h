/*
 * What of DPDK is not a symbol: static inlines, macros, thread-locals and bit fields, and the few
 * structures whose layout differs between the versions that umbra builds on (22.11 to 24.11).
 *
 * A function keeps its C name behind `shim_`. The structures here are ours, so the Rust side never
 * depends on the layout of rte_eth_conf, rte_eth_dev_info or rte_mbuf.
 */
#ifndef UMBRA_DPDK_SHIM_H
#define UMBRA_DPDK_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_pdump.h>
#include <rte_ring.h>
#include <rte_telemetry.h>
#include <rte_version.h>

/* Byte offsets into struct rte_mbuf. 24.11 nests these fields in anonymous unions, 22.11 does not. */
static const size_t SHIM_MBUF_SIZE = sizeof(struct rte_mbuf);
static const size_t SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr);
static const size_t SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off);
static const size_t SHIM_MBUF_REFCNT = offsetof(struct rte_mbuf, refcnt);
static const size_t SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs);
static const size_t SHIM_MBUF_PORT = offsetof(struct rte_mbuf, port);
static const size_t SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags);
static const size_t SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len);
static const size_t SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len);
static const size_t SHIM_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci);
static const size_t SHIM_MBUF_HASH_RSS = offsetof(struct rte_mbuf, hash.rss);
static const size_t SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len);
static const size_t SHIM_MBUF_NEXT = offsetof(struct rte_mbuf, next);
static const size_t SHIM_MBUF_HEADROOM = RTE_PKTMBUF_HEADROOM;

/* Bits of ol_flags. */
static const uint64_t SHIM_MBUF_F_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH;
static const uint64_t SHIM_MBUF_F_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t SHIM_MBUF_F_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t SHIM_MBUF_F_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t SHIM_MBUF_F_RX_IP_CKSUM_NONE = RTE_MBUF_F_RX_IP_CKSUM_NONE;
static const uint64_t SHIM_MBUF_F_RX_L4_CKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t SHIM_MBUF_F_RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;
static const uint64_t SHIM_MBUF_F_RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t SHIM_MBUF_F_RX_L4_CKSUM_NONE = RTE_MBUF_F_RX_L4_CKSUM_NONE;
static const uint64_t SHIM_MBUF_F_INDIRECT = RTE_MBUF_F_INDIRECT;
static const uint64_t SHIM_MBUF_F_EXTERNAL = RTE_MBUF_F_EXTERNAL;

/* Offloads that umbra may ask for. */
static const uint64_t SHIM_ETH_RX_OFFLOAD_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t SHIM_ETH_RX_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t SHIM_ETH_TX_OFFLOAD_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
static const uint64_t SHIM_ETH_TX_OFFLOAD_MBUF_FAST_FREE = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
static const uint64_t SHIM_ETH_RSS_IP = RTE_ETH_RSS_IP;
static const uint64_t SHIM_ETH_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t SHIM_ETH_RSS_UDP = RTE_ETH_RSS_UDP;

/* Bits of speed_capa with what they mean in Mbit/s are walked by shim_eth_speed_capa(). */
static const uint32_t SHIM_ETH_SPEED_UNKNOWN = RTE_ETH_SPEED_NUM_UNKNOWN;

static const int SHIM_SOCKET_ID_ANY = SOCKET_ID_ANY;
static const uint32_t SHIM_MAX_LCORE = RTE_MAX_LCORE;
static const uint32_t SHIM_MAX_ETHPORTS = RTE_MAX_ETHPORTS;
static const uint32_t SHIM_LCORE_ID_ANY = LCORE_ID_ANY;
static const uint32_t SHIM_MEMPOOL_CACHE_MAX_SIZE = RTE_MEMPOOL_CACHE_MAX_SIZE;
static const size_t SHIM_MEMPOOL_NAMESIZE = RTE_MEMPOOL_NAMESIZE;
static const size_t SHIM_RING_NAMESIZE = RTE_RING_NAMESIZE;
static const size_t SHIM_ETH_NAME_MAX_LEN = RTE_ETH_NAME_MAX_LEN;
static const uint32_t SHIM_RING_F_SP_ENQ = RING_F_SP_ENQ;
static const uint32_t SHIM_RING_F_SC_DEQ = RING_F_SC_DEQ;
static const size_t SHIM_TEL_MAX_STRING_LEN = RTE_TEL_MAX_STRING_LEN;
static const size_t SHIM_TEL_MAX_SINGLE_STRING_LEN = RTE_TEL_MAX_SINGLE_STRING_LEN;
static const size_t SHIM_TEL_MAX_DICT_ENTRIES = RTE_TEL_MAX_DICT_ENTRIES;
static const size_t SHIM_TEL_MAX_ARRAY_ENTRIES = RTE_TEL_MAX_ARRAY_ENTRIES;
static const uint32_t SHIM_VERSION = RTE_VERSION;

/* --- EAL ------------------------------------------------------------------------------------ */

/* rte_errno of the calling thread. */
int shim_errno(void);
unsigned int shim_lcore_id(void);
/* The next enabled lcore after `from` (pass LCORE_ID_ANY to start), main included; RTE_MAX_LCORE at the end. */
unsigned int shim_lcore_next(unsigned int from);
uint64_t shim_rdtsc(void);
void shim_pause(void);

/* --- log ------------------------------------------------------------------------------------ */

/* Called with what DPDK wrote, whole lines or not; level and type are those of the message. */
typedef void (*shim_log_fn)(int level, int logtype, const char *text, size_t len);
/* Sends DPDK's log to `fn`, for the rest of the process. 0 or a negative errno. */
int shim_openlog_stream(shim_log_fn fn);
/* Writes the table of rte_log_dump() into `out`, NUL-terminated; returns its length. */
size_t shim_log_dump(char *out, size_t size);
/* rte_log() with a finished text. */
int shim_log(uint32_t level, uint32_t logtype, const char *text);

/* --- mbuf, mempool -------------------------------------------------------------------------- */

struct rte_mbuf *shim_pktmbuf_alloc(struct rte_mempool *pool);
int shim_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count);
void shim_pktmbuf_free(struct rte_mbuf *mbuf);
void *shim_pktmbuf_append(struct rte_mbuf *mbuf, uint16_t len);
uint16_t shim_pktmbuf_tailroom(const struct rte_mbuf *mbuf);
int shim_pktmbuf_chain(struct rte_mbuf *head, struct rte_mbuf *tail);
uint32_t shim_mempool_size(const struct rte_mempool *pool);

/* Fields of a real mbuf as the C compiler reads them: what the offsets above are tested against. */
struct shim_mbuf_fields {
	const void *buf_addr;
	const void *next;
	uint64_t ol_flags;
	uint32_t pkt_len;
	uint32_t hash_rss;
	uint16_t data_off;
	uint16_t refcnt;
	uint16_t nb_segs;
	uint16_t port;
	uint16_t data_len;
	uint16_t vlan_tci;
	uint16_t buf_len;
};
void shim_mbuf_read(const struct rte_mbuf *mbuf, struct shim_mbuf_fields *out);
/* Writes every scalar field (not the pointers, not refcnt, nb_segs and buf_len). */
void shim_mbuf_write(struct rte_mbuf *mbuf, const struct shim_mbuf_fields *in);

/* --- ethdev --------------------------------------------------------------------------------- */

/*
 * Where rte_eth_rx_burst() and rte_eth_tx_burst() find the driver's function, the queue and the
 * callbacks of one queue, so that a caller in another language can do what those inlines do without
 * a second call per burst. The places stay the same while the port is started; what they hold may
 * change (callbacks come and go with rte_pdump) and is read anew for every burst.
 */
typedef uint16_t (*shim_burst_fn)(void *queue, struct rte_mbuf **mbufs, uint16_t count);
struct shim_eth_fast {
	const shim_burst_fn *burst;
	void *const *queue;
	void *const *callbacks;
};
/* False where port or queue have no place (the caller then uses the functions below). */
bool shim_eth_rx_fast(uint16_t port, uint16_t queue, struct shim_eth_fast *out);
bool shim_eth_tx_fast(uint16_t port, uint16_t queue, struct shim_eth_fast *out);
uint16_t shim_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);
uint16_t shim_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);
/* Used descriptors of an rx queue or a negative errno (-ENOTSUP). */
int shim_eth_rx_queue_count(uint16_t port, uint16_t queue);
/* RTE_ETH_FOREACH_DEV: the first port >= `from`, or RTE_MAX_ETHPORTS. */
uint16_t shim_eth_next(uint16_t from);

struct shim_desc_lim {
	uint16_t max;
	uint16_t min;
	uint16_t align;
	uint16_t max_segs;     /* nb_seg_max, 0: not stated */
	uint16_t max_mtu_segs; /* nb_mtu_seg_max, 0: not stated */
};

struct shim_eth_info {
	const char *driver_name;
	char device_name[128];
	char bus_name[32];
	unsigned int if_index;
	int socket_id;
	uint16_t min_mtu;
	uint16_t max_mtu;
	uint32_t min_rx_bufsize;
	uint32_t max_rx_pktlen;
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint64_t rx_offload_capa;
	uint64_t tx_offload_capa;
	uint16_t reta_size;
	uint16_t hash_key_size;
	uint64_t rss_fields;
	bool rss_symmetric; /* a symmetric Toeplitz function other than by a repeated key */
	uint32_t speed_capa;
	uint16_t default_rx_ring_size;
	uint16_t default_tx_ring_size;
	struct shim_desc_lim rx_desc;
	struct shim_desc_lim tx_desc;
};
int shim_eth_dev_info_get(uint16_t port, struct shim_eth_info *out);
/* Mbit/s of the `index`-th set bit of speed_capa; 0 when there is none. */
uint32_t shim_eth_speed_capa(uint32_t speed_capa, unsigned int index);

struct shim_eth_conf {
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint32_t mtu; /* 0: the default, 1500 */
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss_fields; /* 0: no RSS */
	const uint8_t *rss_key; /* NULL: the driver's */
	uint8_t rss_key_len;
	bool rss_symmetric; /* only where shim_eth_info.rss_symmetric */
};
int shim_eth_dev_configure(uint16_t port, const struct shim_eth_conf *conf);
/* Queues with the driver's recommended thresholds. */
int shim_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket,
			    struct rte_mempool *pool);
int shim_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket);
/* Neither sends nor obeys pause frames from now on; -ENOTSUP where the driver cannot say. */
int shim_eth_flow_ctrl_off(uint16_t port);

struct shim_eth_link {
	uint32_t speed_mbps; /* SHIM_ETH_SPEED_UNKNOWN: not known */
	bool up;
	bool full_duplex;
	bool autoneg;
};
int shim_eth_link_get_nowait(uint16_t port, struct shim_eth_link *out);

/* --- ring ----------------------------------------------------------------------------------- */

unsigned int shim_ring_enqueue_burst(struct rte_ring *ring, struct rte_mbuf *const *mbufs,
				     unsigned int count);
unsigned int shim_ring_dequeue_burst(struct rte_ring *ring, struct rte_mbuf **mbufs,
				     unsigned int count);
unsigned int shim_ring_count(const struct rte_ring *ring);
unsigned int shim_ring_capacity(const struct rte_ring *ring);

/* --- telemetry ------------------------------------------------------------------------------ */

/* 23.03 renamed the u64 functions and widened int. What does not fit is added as text. */
enum shim_tel_type { SHIM_TEL_STRING, SHIM_TEL_INT, SHIM_TEL_UINT };
int shim_tel_start_array(struct rte_tel_data *data, enum shim_tel_type type);
int shim_tel_add_array_uint(struct rte_tel_data *data, uint64_t value);
int shim_tel_add_array_int(struct rte_tel_data *data, int64_t value);
int shim_tel_add_dict_uint(struct rte_tel_data *data, const char *name, uint64_t value);
int shim_tel_add_dict_int(struct rte_tel_data *data, const char *name, int64_t value);
/* True when an int of the telemetry library holds the value. */
bool shim_tel_int_fits(int64_t value);

#endif
