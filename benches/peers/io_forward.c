/*
 * A forwarder as small as one can be: two ports, what either receives the other sends, on one core. What DPDK's own
 * tools cost a data plane is measured on it.
 *
 *   io_forward EAL… -- [options]
 *     --burst N --mbufs N --cache N --descriptors N
 *     --pps N        at most so many packets per second; the cycles of waiting are not counted
 *     --warmup S     forwards so long before anything is measured
 *     --seconds S    measures once, prints, ends; without it, commands come on stdin:
 *                      window S   measures for S seconds and prints
 *                      quit       ends, as does the end of stdin
 *     --limit S      ends in any case after so many seconds
 *     --pdump        lets dpdk-dumpcap attach
 *
 * The main lcore must not be the worker's: --lcores=100@0,1@1 --main-lcore=100. Prints {"ready":…} when it forwards,
 * then one line of JSON for each window.
 */
/* rte_pdump_stats() is one in 22.11. */
#define ALLOW_EXPERIMENTAL_API
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_pdump.h>

#define BURST_MAX 512

static struct {
	unsigned int burst, mbufs, cache, descriptors;
	double pps, warmup_s, seconds, limit_s;
	bool pdump;
} options = {.burst = 32, .mbufs = 16383, .cache = 250, .descriptors = 512, .warmup_s = 0.3, .limit_s = 600};

struct counts {
	uint64_t packets, refused;
	/* Of forwarding: all of them, or those outside of waiting where the rate is limited. */
	uint64_t cycles;
	uint64_t tsc;
};

/*
 * The main lcore asks for the counts by a number, the worker answers between two bursts: what is read belongs together,
 * and the worker pays one load of a line that nobody writes meanwhile.
 */
static struct {
	unsigned int asked __rte_cache_aligned;	    /* written by the main lcore */
	bool stop;				    /* written by the main lcore */
	unsigned int answered __rte_cache_aligned;  /* written by the worker */
	struct counts counts;			    /* written by the worker before it answers */
} shared;

static uint16_t ports[2];

static void die(const char *what, int code)
{
	fprintf(stderr, "io_forward: %s: %s\n", what, rte_strerror(code < 0 ? -code : code));
	exit(1);
}

static __rte_always_inline void forward(uint16_t from, uint16_t to, uint16_t burst, struct counts *counts)
{
	struct rte_mbuf *frames[BURST_MAX];
	uint16_t received = rte_eth_rx_burst(from, 0, frames, burst);

	if (unlikely(received == 0))
		return;
	uint16_t sent = rte_eth_tx_burst(to, 0, frames, received);
	counts->packets += received;
	if (unlikely(sent < received)) {
		counts->refused += received - sent;
		rte_pktmbuf_free_bulk(frames + sent, received - sent);
	}
}

static __rte_always_inline void answer(const struct counts *counts)
{
	unsigned int asked = __atomic_load_n(&shared.asked, __ATOMIC_ACQUIRE);

	if (likely(asked == shared.answered))
		return;
	shared.counts = *counts;
	shared.counts.tsc = rte_rdtsc();
	__atomic_store_n(&shared.answered, asked, __ATOMIC_RELEASE);
}

static int worker(void *unused)
{
	const uint16_t burst = options.burst;
	struct counts counts = {0};

	RTE_SET_USED(unused);
	if (options.pps > 0) {
		uint64_t period = 2.0 * burst * rte_get_tsc_hz() / options.pps, next = rte_rdtsc();

		while (!__atomic_load_n(&shared.stop, __ATOMIC_RELAXED)) {
			uint64_t began = rte_rdtsc();

			if (began < next) {
				rte_pause();
				continue;
			}
			forward(ports[0], ports[1], burst, &counts);
			forward(ports[1], ports[0], burst, &counts);
			uint64_t now = rte_rdtsc();
			counts.cycles += now - began;
			/* After a stall nothing is caught up with: that would be a burst beyond the rate. */
			next = RTE_MAX(next + period, now);
			answer(&counts);
		}
		return 0;
	}
	while (!__atomic_load_n(&shared.stop, __ATOMIC_RELAXED)) {
		forward(ports[0], ports[1], burst, &counts);
		forward(ports[1], ports[0], burst, &counts);
		answer(&counts);
	}
	return 0;
}

static struct counts ask(void)
{
	unsigned int number = shared.asked + 1;

	__atomic_store_n(&shared.asked, number, __ATOMIC_RELEASE);
	while (__atomic_load_n(&shared.answered, __ATOMIC_ACQUIRE) != number)
		rte_delay_us_sleep(10);
	return shared.counts;
}

/* Both ports together, since dpdk-dumpcap attached last. */
static struct rte_pdump_stats pdump_counts(void)
{
	struct rte_pdump_stats sum = {0};

	for (int i = 0; options.pdump && i < 2; i++) {
		struct rte_pdump_stats one = {0};

		if (rte_pdump_stats(ports[i], &one) != 0)
			continue;
		sum.accepted += one.accepted;
		sum.filtered += one.filtered;
		sum.nombuf += one.nombuf;
		sum.ringfull += one.ringfull;
	}
	return sum;
}

static void sleep_s(double seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (seconds - (time_t)seconds) * 1e9};

	while (nanosleep(&left, &left) != 0)
		;
}

static void window(double seconds)
{
	struct rte_pdump_stats pdump_before = pdump_counts();
	struct counts before = ask();

	sleep_s(seconds);
	struct counts after = ask();
	struct rte_pdump_stats pdump_after = pdump_counts();
	uint64_t packets = after.packets - before.packets, span = after.tsc - before.tsc;
	uint64_t cycles = options.pps > 0 ? after.cycles - before.cycles : span;

	printf("{\"packets\":%" PRIu64 ",\"tx_refused\":%" PRIu64 ",\"cycles\":%" PRIu64 ",\"cycles_per_packet\":%.4f,"
	       "\"tsc_hz\":%" PRIu64 ",\"seconds\":%.6f,"
	       "\"pdump\":{\"accepted\":%" PRIu64 ",\"nombuf\":%" PRIu64 ",\"ringfull\":%" PRIu64 "}}\n",
	       packets, after.refused - before.refused, cycles, packets ? (double)cycles / packets : 0.0, rte_get_tsc_hz(),
	       (double)span / rte_get_tsc_hz(), pdump_after.accepted - pdump_before.accepted,
	       pdump_after.nombuf - pdump_before.nombuf, pdump_after.ringfull - pdump_before.ringfull);
	fflush(stdout);
}

static void commands(double end_s)
{
	char line[128];
	size_t len = 0;

	for (;;) {
		double left_s = end_s - (double)rte_rdtsc() / rte_get_tsc_hz();
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

		if (left_s <= 0 || poll(&input, 1, left_s * 1000) <= 0)
			return;
		/* One byte at a time: a line that came with the one before would be lost behind poll(). */
		if (read(STDIN_FILENO, line + len, 1) != 1)
			return;
		if (line[len] != '\n') {
			len = RTE_MIN(len + 1, sizeof(line) - 1);
			continue;
		}
		line[len] = '\0';
		len = 0;
		double seconds;

		if (strcmp(line, "quit") == 0)
			return;
		if (sscanf(line, "window %lf", &seconds) == 1 && seconds > 0)
			window(RTE_MIN(seconds, end_s - (double)rte_rdtsc() / rte_get_tsc_hz()));
		else
			fprintf(stderr, "io_forward: '%s' is no command; there are: window SECONDS, quit\n", line);
	}
}

static void start_port(uint16_t port, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	int code = rte_eth_dev_configure(port, 1, 1, &conf);

	if (code == 0)
		code = rte_eth_rx_queue_setup(port, 0, options.descriptors, rte_eth_dev_socket_id(port), NULL, pool);
	if (code == 0)
		code = rte_eth_tx_queue_setup(port, 0, options.descriptors, rte_eth_dev_socket_id(port), NULL);
	if (code == 0)
		code = rte_eth_dev_start(port);
	if (code != 0)
		die("a port does not start (net_pcap wants more mbufs than its capture has frames: --mbufs)", code);
	/* Refused by some virtual ports, and needed by none. */
	(void)rte_eth_promiscuous_enable(port);
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{"burst", required_argument, NULL, 'b'},   {"mbufs", required_argument, NULL, 'm'},
		{"cache", required_argument, NULL, 'c'},   {"descriptors", required_argument, NULL, 'd'},
		{"pps", required_argument, NULL, 'r'},	   {"warmup", required_argument, NULL, 'w'},
		{"seconds", required_argument, NULL, 's'}, {"limit", required_argument, NULL, 'l'},
		{"pdump", no_argument, NULL, 'p'},	   {NULL, 0, NULL, 0},
	};
	int option;

	/* getopt has been through EAL's arguments before. */
	optind = 1;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'b': options.burst = strtoul(optarg, NULL, 10); break;
		case 'm': options.mbufs = strtoul(optarg, NULL, 10); break;
		case 'c': options.cache = strtoul(optarg, NULL, 10); break;
		case 'd': options.descriptors = strtoul(optarg, NULL, 10); break;
		case 'r': options.pps = strtod(optarg, NULL); break;
		case 'w': options.warmup_s = strtod(optarg, NULL); break;
		case 's': options.seconds = strtod(optarg, NULL); break;
		case 'l': options.limit_s = strtod(optarg, NULL); break;
		case 'p': options.pdump = true; break;
		default: exit(2);
		}
	}
	if (options.burst < 1 || options.burst > BURST_MAX) {
		fprintf(stderr, "io_forward: --burst %u; legal: 1 to %u\n", options.burst, BURST_MAX);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	int eaten = rte_eal_init(argc, argv);

	if (eaten < 0)
		die("EAL does not start", rte_errno);
	parse(argc - eaten, argv + eaten);
	double end_s = (double)rte_rdtsc() / rte_get_tsc_hz() + options.limit_s;

	unsigned int found = 0, lcore = rte_get_next_lcore(-1, 1, 0);
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port) {
		if (found < 2)
			ports[found] = port;
		found++;
	}
	if (found != 2 || lcore >= RTE_MAX_LCORE) {
		fprintf(stderr, "io_forward: %u ports and %u lcores; it takes two --vdev and --lcores=100@0,1@1 --main-lcore=100\n",
			found, rte_lcore_count());
		return 1;
	}
	struct rte_mempool *pool = rte_pktmbuf_pool_create("frames", options.mbufs, options.cache, 0,
							   RTE_MBUF_DEFAULT_BUF_SIZE, rte_socket_id());

	if (pool == NULL)
		die("no memory for the mbufs", rte_errno);
	start_port(ports[0], pool);
	start_port(ports[1], pool);
	if (options.pdump) {
		int code = rte_pdump_init();

		if (code != 0)
			die("rte_pdump_init", code);
	}
	rte_eal_remote_launch(worker, NULL, lcore);
	sleep_s(options.warmup_s);
	printf("{\"ready\":true,\"tsc_hz\":%" PRIu64 "}\n", rte_get_tsc_hz());
	fflush(stdout);
	if (options.seconds > 0)
		window(RTE_MIN(options.seconds, options.limit_s));
	else
		commands(end_s);

	__atomic_store_n(&shared.stop, true, __ATOMIC_RELAXED);
	rte_eal_mp_wait_lcore();
	if (options.pdump)
		rte_pdump_uninit();
	for (int i = 0; i < 2; i++) {
		rte_eth_dev_stop(ports[i]);
		rte_eth_dev_close(ports[i]);
	}
	rte_eal_cleanup();
	return 0;
}
