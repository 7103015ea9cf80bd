#define _GNU_SOURCE
#include "shim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_pause.h>

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0)
#error "umbra needs DPDK 22.11 or later"
#endif

#define SINCE(year, month) (RTE_VERSION >= RTE_VERSION_NUM(year, month, 0, 0))

/* --- EAL ------------------------------------------------------------------------------------ */

int shim_errno(void) { return rte_errno; }

unsigned int shim_lcore_id(void) { return rte_lcore_id(); }

unsigned int shim_lcore_next(unsigned int from) { return rte_get_next_lcore(from, 0, 0); }

uint64_t shim_rdtsc(void) { return rte_rdtsc(); }

void shim_pause(void) { rte_pause(); }

/* --- log ------------------------------------------------------------------------------------ */

static shim_log_fn log_fn;

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	log_fn(rte_log_cur_msg_loglevel(), rte_log_cur_msg_logtype(), text, len);
	return (ssize_t)len;
}

int shim_openlog_stream(shim_log_fn fn)
{
	static const cookie_io_functions_t functions = {.write = log_write};
	FILE *stream;

	log_fn = fn;
	stream = fopencookie(NULL, "w", functions);
	if (stream == NULL)
		return -ENOMEM;
	return rte_openlog_stream(stream);
}

size_t shim_log_dump(char *out, size_t size)
{
	FILE *stream;
	long len;

	if (size == 0)
		return 0;
	out[0] = '\0';
	stream = fmemopen(out, size, "w");
	if (stream == NULL)
		return 0;
	rte_log_dump(stream);
	fflush(stream);
	len = ftell(stream);
	fclose(stream);
	out[size - 1] = '\0';
	return len < 0 ? 0 : strnlen(out, size);
}

int shim_log(uint32_t level, uint32_t logtype, const char *text)
{
	return rte_log(level, logtype, "%s", text);
}

/* --- mbuf, mempool -------------------------------------------------------------------------- */

struct rte_mbuf *shim_pktmbuf_alloc(struct rte_mempool *pool) { return rte_pktmbuf_alloc(pool); }

int shim_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void shim_pktmbuf_free(struct rte_mbuf *mbuf) { rte_pktmbuf_free(mbuf); }

void *shim_pktmbuf_append(struct rte_mbuf *mbuf, uint16_t len)
{
	return rte_pktmbuf_append(mbuf, len);
}

uint16_t shim_pktmbuf_tailroom(const struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_tailroom(rte_pktmbuf_lastseg((struct rte_mbuf *)(uintptr_t)mbuf));
}

int shim_pktmbuf_chain(struct rte_mbuf *head, struct rte_mbuf *tail)
{
	return rte_pktmbuf_chain(head, tail);
}

uint32_t shim_mempool_size(const struct rte_mempool *pool) { return pool->size; }

void shim_mbuf_read(const struct rte_mbuf *mbuf, struct shim_mbuf_fields *out)
{
	out->buf_addr = mbuf->buf_addr;
	out->next = mbuf->next;
	out->ol_flags = mbuf->ol_flags;
	out->pkt_len = mbuf->pkt_len;
	out->hash_rss = mbuf->hash.rss;
	out->data_off = mbuf->data_off;
	out->refcnt = rte_mbuf_refcnt_read(mbuf);
	out->nb_segs = mbuf->nb_segs;
	out->port = mbuf->port;
	out->data_len = mbuf->data_len;
	out->vlan_tci = mbuf->vlan_tci;
	out->buf_len = mbuf->buf_len;
}

void shim_mbuf_write(struct rte_mbuf *mbuf, const struct shim_mbuf_fields *in)
{
	mbuf->ol_flags = in->ol_flags;
	mbuf->pkt_len = in->pkt_len;
	mbuf->hash.rss = in->hash_rss;
	mbuf->data_off = in->data_off;
	mbuf->port = in->port;
	mbuf->data_len = in->data_len;
	mbuf->vlan_tci = in->vlan_tci;
}

/* --- ethdev --------------------------------------------------------------------------------- */

bool shim_eth_rx_fast(uint16_t port, uint16_t queue, struct shim_eth_fast *out)
{
	struct rte_eth_fp_ops *ops;

	if (port >= RTE_MAX_ETHPORTS || queue >= RTE_MAX_QUEUES_PER_PORT)
		return false;
	ops = &rte_eth_fp_ops[port];
	if (ops->rxq.data == NULL || ops->rxq.clbk == NULL)
		return false;
	out->burst = &ops->rx_pkt_burst;
	out->queue = &ops->rxq.data[queue];
	out->callbacks = &ops->rxq.clbk[queue];
	return true;
}

bool shim_eth_tx_fast(uint16_t port, uint16_t queue, struct shim_eth_fast *out)
{
	struct rte_eth_fp_ops *ops;

	if (port >= RTE_MAX_ETHPORTS || queue >= RTE_MAX_QUEUES_PER_PORT)
		return false;
	ops = &rte_eth_fp_ops[port];
	if (ops->txq.data == NULL || ops->txq.clbk == NULL)
		return false;
	out->burst = &ops->tx_pkt_burst;
	out->queue = &ops->txq.data[queue];
	out->callbacks = &ops->txq.clbk[queue];
	return true;
}

uint16_t shim_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, mbufs, count);
}

uint16_t shim_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

int shim_eth_rx_queue_count(uint16_t port, uint16_t queue)
{
	return rte_eth_rx_queue_count(port, queue);
}

uint16_t shim_eth_next(uint16_t from)
{
	uint64_t next = rte_eth_find_next_owned_by(from, RTE_ETH_DEV_NO_OWNER);

	return next >= RTE_MAX_ETHPORTS ? RTE_MAX_ETHPORTS : (uint16_t)next;
}

static void desc_lim(const struct rte_eth_desc_lim *in, struct shim_desc_lim *out)
{
	out->max = in->nb_max;
	out->min = in->nb_min;
	out->align = in->nb_align;
	out->max_segs = in->nb_seg_max;
	out->max_mtu_segs = in->nb_mtu_seg_max;
}

int shim_eth_dev_info_get(uint16_t port, struct shim_eth_info *out)
{
	struct rte_eth_dev_info info;
	const char *name;
	int rc;

	memset(out, 0, sizeof(*out));
	memset(&info, 0, sizeof(info));
	rc = rte_eth_dev_info_get(port, &info);
	if (rc != 0)
		return rc;
	out->driver_name = info.driver_name;
	if (info.device != NULL) {
		name = rte_dev_name(info.device);
		snprintf(out->device_name, sizeof(out->device_name), "%s", name != NULL ? name : "");
		if (rte_dev_bus(info.device) != NULL) {
			name = rte_bus_name(rte_dev_bus(info.device));
			snprintf(out->bus_name, sizeof(out->bus_name), "%s", name != NULL ? name : "");
		}
	}
	out->if_index = info.if_index;
	out->socket_id = rte_eth_dev_socket_id(port);
	out->min_mtu = info.min_mtu;
	out->max_mtu = info.max_mtu;
	out->min_rx_bufsize = info.min_rx_bufsize;
	out->max_rx_pktlen = info.max_rx_pktlen;
	out->max_rx_queues = info.max_rx_queues;
	out->max_tx_queues = info.max_tx_queues;
	out->rx_offload_capa = info.rx_offload_capa;
	out->tx_offload_capa = info.tx_offload_capa;
	out->reta_size = info.reta_size;
	out->hash_key_size = info.hash_key_size;
	out->rss_fields = info.flow_type_rss_offloads;
#if SINCE(23, 11)
	out->rss_symmetric =
		(info.rss_algo_capa &
		 RTE_ETH_HASH_ALGO_TO_CAPA(RTE_ETH_HASH_FUNCTION_SYMMETRIC_TOEPLITZ)) != 0;
#endif
	out->speed_capa = info.speed_capa;
	out->default_rx_ring_size = info.default_rxportconf.ring_size;
	out->default_tx_ring_size = info.default_txportconf.ring_size;
	desc_lim(&info.rx_desc_lim, &out->rx_desc);
	desc_lim(&info.tx_desc_lim, &out->tx_desc);
	return 0;
}

uint32_t shim_eth_speed_capa(uint32_t speed_capa, unsigned int index)
{
	static const struct {
		uint32_t bits;
		uint32_t mbps;
	} speeds[] = {
		{RTE_ETH_LINK_SPEED_10M | RTE_ETH_LINK_SPEED_10M_HD, 10},
		{RTE_ETH_LINK_SPEED_100M | RTE_ETH_LINK_SPEED_100M_HD, 100},
		{RTE_ETH_LINK_SPEED_1G, 1000},
		{RTE_ETH_LINK_SPEED_2_5G, 2500},
		{RTE_ETH_LINK_SPEED_5G, 5000},
		{RTE_ETH_LINK_SPEED_10G, 10000},
		{RTE_ETH_LINK_SPEED_20G, 20000},
		{RTE_ETH_LINK_SPEED_25G, 25000},
		{RTE_ETH_LINK_SPEED_40G, 40000},
		{RTE_ETH_LINK_SPEED_50G, 50000},
		{RTE_ETH_LINK_SPEED_56G, 56000},
		{RTE_ETH_LINK_SPEED_100G, 100000},
		{RTE_ETH_LINK_SPEED_200G, 200000},
#ifdef RTE_ETH_LINK_SPEED_400G
		{RTE_ETH_LINK_SPEED_400G, 400000},
#endif
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(speeds); i++) {
		if ((speed_capa & speeds[i].bits) == 0)
			continue;
		if (index == 0)
			return speeds[i].mbps;
		index--;
	}
	return 0;
}

int shim_eth_dev_configure(uint16_t port, const struct shim_eth_conf *conf)
{
	struct rte_eth_conf eth;

	memset(&eth, 0, sizeof(eth));
	eth.rxmode.mtu = conf->mtu;
	eth.rxmode.offloads = conf->rx_offloads;
	eth.txmode.offloads = conf->tx_offloads;
	eth.txmode.mq_mode = RTE_ETH_MQ_TX_NONE;
	eth.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
	if (conf->rss_fields != 0) {
		eth.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		eth.rx_adv_conf.rss_conf.rss_hf = conf->rss_fields;
		eth.rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)conf->rss_key;
		eth.rx_adv_conf.rss_conf.rss_key_len = conf->rss_key_len;
		if (conf->rss_symmetric) {
#if SINCE(23, 11)
			eth.rx_adv_conf.rss_conf.algorithm =
				RTE_ETH_HASH_FUNCTION_SYMMETRIC_TOEPLITZ;
#else
			return -ENOTSUP;
#endif
		}
	}
	return rte_eth_dev_configure(port, conf->rx_queues, conf->tx_queues, &eth);
}

int shim_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket,
			    struct rte_mempool *pool)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port, &info);

	if (rc != 0)
		return rc;
	return rte_eth_rx_queue_setup(port, queue, desc, socket, &info.default_rxconf, pool);
}

int shim_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port, &info);

	if (rc != 0)
		return rc;
	return rte_eth_tx_queue_setup(port, queue, desc, socket, &info.default_txconf);
}

int shim_eth_flow_ctrl_off(uint16_t port)
{
	struct rte_eth_fc_conf fc;
	int rc;

	memset(&fc, 0, sizeof(fc));
	rc = rte_eth_dev_flow_ctrl_get(port, &fc);
	if (rc != 0)
		return rc;
	if (fc.mode == RTE_ETH_FC_NONE)
		return 0;
	fc.mode = RTE_ETH_FC_NONE;
	return rte_eth_dev_flow_ctrl_set(port, &fc);
}

int shim_eth_link_get_nowait(uint16_t port, struct shim_eth_link *out)
{
	struct rte_eth_link link;
	int rc;

	memset(&link, 0, sizeof(link));
	rc = rte_eth_link_get_nowait(port, &link);
	if (rc != 0)
		return rc;
	out->speed_mbps = link.link_speed;
	out->up = link.link_status == RTE_ETH_LINK_UP;
	out->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	out->autoneg = link.link_autoneg == RTE_ETH_LINK_AUTONEG;
	return 0;
}

/* --- ring ----------------------------------------------------------------------------------- */

unsigned int shim_ring_enqueue_burst(struct rte_ring *ring, struct rte_mbuf *const *mbufs,
				     unsigned int count)
{
	return rte_ring_enqueue_burst(ring, (void *const *)mbufs, count, NULL);
}

unsigned int shim_ring_dequeue_burst(struct rte_ring *ring, struct rte_mbuf **mbufs,
				     unsigned int count)
{
	return rte_ring_dequeue_burst(ring, (void **)mbufs, count, NULL);
}

unsigned int shim_ring_count(const struct rte_ring *ring) { return rte_ring_count(ring); }

unsigned int shim_ring_capacity(const struct rte_ring *ring) { return rte_ring_get_capacity(ring); }

/* --- telemetry ------------------------------------------------------------------------------ */

#if SINCE(23, 3)
#define TEL_UINT_VAL RTE_TEL_UINT_VAL
#define tel_add_array_uint rte_tel_data_add_array_uint
#define tel_add_dict_uint rte_tel_data_add_dict_uint
#else
#define TEL_UINT_VAL RTE_TEL_U64_VAL
#define tel_add_array_uint rte_tel_data_add_array_u64
#define tel_add_dict_uint rte_tel_data_add_dict_u64
#endif

int shim_tel_start_array(struct rte_tel_data *data, enum shim_tel_type type)
{
	static const enum rte_tel_value_type types[] = {
		[SHIM_TEL_STRING] = RTE_TEL_STRING_VAL,
		[SHIM_TEL_INT] = RTE_TEL_INT_VAL,
		[SHIM_TEL_UINT] = TEL_UINT_VAL,
	};

	if ((unsigned int)type >= RTE_DIM(types))
		return -EINVAL;
	return rte_tel_data_start_array(data, types[type]);
}

int shim_tel_add_array_uint(struct rte_tel_data *data, uint64_t value)
{
	return tel_add_array_uint(data, value);
}

int shim_tel_add_array_int(struct rte_tel_data *data, int64_t value)
{
	return rte_tel_data_add_array_int(data, value);
}

int shim_tel_add_dict_uint(struct rte_tel_data *data, const char *name, uint64_t value)
{
	return tel_add_dict_uint(data, name, value);
}

int shim_tel_add_dict_int(struct rte_tel_data *data, const char *name, int64_t value)
{
	char text[24];

	if (shim_tel_int_fits(value))
		return rte_tel_data_add_dict_int(data, name, value);
	snprintf(text, sizeof(text), "%" PRId64, value);
	return rte_tel_data_add_dict_string(data, name, text);
}

bool shim_tel_int_fits(int64_t value)
{
#if SINCE(23, 3)
	(void)value;
	return true;
#else
	return value >= INT32_MIN && value <= INT32_MAX;
#endif
}
