/* rte_ring, single producer and single consumer, in bulks of 32, with the frames' bytes copied by
 * rte_memcpy into slots that go round with it. The slots are as many as the ring holds and a burst of
 * either side more, so that one is written again only after it has been read: no free list is needed,
 * and the pointer says it all. A slot is 64 bytes, one line, without any header.
 *
 * ring_spsc stream|paced RECORDS CAPACITY PRODUCER_CORE CONSUMER_CORE  ->  {"cycles_per_record": x}
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_memcpy.h>
#include <rte_pause.h>
#include <rte_ring.h>

#define BURST 32
#define LINE 64
#define SOURCES 256
#define SOURCE_STRIDE 2304
#define WARM_UP 2000
#define REST_CYCLES 1500

static struct rte_ring *ring;
static uint8_t *slots;
static uint8_t *sources;
static unsigned int slot_count;
static uint64_t records;
static int paced;
static unsigned int producer_core, consumer_core;
/* Known at run time only, as a frame's length is. */
static volatile unsigned int frame_len_setting = LINE;
static atomic_int ready, stop;
static _Alignas(128) atomic_ulong done;
static uint64_t consumer_cycles;
static double producer_cycles;

static void pin(unsigned int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
		fprintf(stderr, "core %u is not there for this process (taskset -p)\n", core);
		exit(1);
	}
}

static void together(void)
{
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < 2)
		rte_pause();
}

/* As in the Rust half: what stands before has retired, what stands behind has not started. */
static inline uint64_t clock_now(void)
{
#ifdef RTE_ARCH_X86
	__builtin_ia32_lfence();
	uint64_t now = rte_rdtsc();
	__builtin_ia32_lfence();
	return now;
#else
	return rte_rdtsc_precise();
#endif
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct producer {
	unsigned int slot;
	unsigned int source;
	unsigned int frame_len;
};

static inline unsigned int send_burst(struct producer *p)
{
	void *pointers[BURST];
	unsigned int slot = p->slot, source = p->source, n;

	for (unsigned int i = 0; i < BURST; i++) {
		uint8_t *target = slots + (size_t)slot * LINE;

		rte_memcpy(target, sources + (size_t)source * SOURCE_STRIDE, p->frame_len);
		pointers[i] = target;
		if (++slot == slot_count)
			slot = 0;
		source = (source + 1) % SOURCES;
	}
	/* The next 32 slots are free whatever the ring holds, so a full ring costs no second copy. */
	while ((n = rte_ring_sp_enqueue_bulk(ring, pointers, BURST, NULL)) == 0)
		rte_pause();
	p->slot = slot;
	p->source = source;
	return n;
}

static void *produce(void *unused)
{
	struct producer p = {.frame_len = frame_len_setting};

	(void)unused;
	pin(producer_core);
	together();
	if (!paced) {
		for (uint64_t sent = 0; sent < records;)
			sent += send_burst(&p);
		return NULL;
	}
	uint64_t bursts = records / BURST;
	uint64_t *cycles = calloc(bursts > 10001 ? bursts : 10001, sizeof(*cycles));

	if (cycles == NULL)
		exit(1);
	for (int i = 0; i < 10001; i++) {
		uint64_t start = clock_now();

		cycles[i] = clock_now() - start;
	}
	qsort(cycles, 10001, sizeof(*cycles), by_value);
	double idle = (double)cycles[5000];
	uint64_t sent = 0;

	for (uint64_t i = 0; i < WARM_UP + bursts; i++) {
		uint64_t start = clock_now();
		unsigned int n = send_burst(&p);
		uint64_t end = clock_now();

		if (i >= WARM_UP)
			cycles[i - WARM_UP] = end - start;
		sent += n;
		while (atomic_load_explicit(&done, memory_order_acquire) != sent)
			rte_pause();
		uint64_t rested = clock_now() + REST_CYCLES;

		while (clock_now() < rested)
			;
	}
	atomic_store(&stop, 1);
	qsort(cycles, bursts, sizeof(*cycles), by_value);
	producer_cycles = ((double)cycles[bursts / 2] - idle) / BURST;
	return NULL;
}

static void *consume(void *unused)
{
	void *pointers[BURST];
	uint64_t received = 0, sum = 0;

	(void)unused;
	pin(consumer_core);
	together();
	uint64_t start = clock_now();

	while (paced ? !atomic_load_explicit(&stop, memory_order_relaxed) : received < records) {
		unsigned int n = rte_ring_sc_dequeue_bulk(ring, pointers, BURST, NULL);

		if (n == 0) {
			rte_pause();
			continue;
		}
		for (unsigned int i = 0; i < n; i++)
			sum += *(const uint64_t *)pointers[i];
		received += n;
		if (paced)
			atomic_store_explicit(&done, received, memory_order_release);
	}
	consumer_cycles = clock_now() - start;
	if (sum == 42)
		fprintf(stderr, "the sum is used\n");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t producer, consumer;

	if (argc != 6) {
		fprintf(stderr, "usage: ring_spsc stream|paced RECORDS CAPACITY PRODUCER_CORE CONSUMER_CORE\n");
		return 2;
	}
	paced = strcmp(argv[1], "paced") == 0;
	records = strtoull(argv[2], NULL, 10) / BURST * BURST;
	unsigned int capacity = strtoul(argv[3], NULL, 10);

	producer_core = strtoul(argv[4], NULL, 10);
	consumer_core = strtoul(argv[5], NULL, 10);
	/* Without EAL: only the ring's memory is needed. */
	ssize_t bytes = rte_ring_get_memsize(capacity);

	if (bytes < 0 || records == 0) {
		fprintf(stderr, "capacity must be a power of two, records at least %d\n", BURST);
		return 2;
	}
	/* A slot is free once its pointer is dequeued and its bytes are read: up to a burst in the hand of
	 * each side, beyond what the ring holds. */
	slot_count = capacity + 2 * BURST;
	ring = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL((size_t)bytes, RTE_CACHE_LINE_SIZE));
	slots = aligned_alloc(4096, RTE_ALIGN_CEIL((size_t)slot_count * LINE, 4096));
	sources = aligned_alloc(4096, SOURCES * SOURCE_STRIDE);
	if (ring == NULL || slots == NULL || sources == NULL ||
	    rte_ring_init(ring, "spsc", capacity, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		fprintf(stderr, "no memory for a ring of %u\n", capacity);
		return 1;
	}
	memset(slots, 0, (size_t)slot_count * LINE);
	for (size_t i = 0; i < SOURCES * SOURCE_STRIDE; i++)
		sources[i] = (uint8_t)(i * 7 + i / 251);
	if (pthread_create(&consumer, NULL, consume, NULL) != 0 ||
	    pthread_create(&producer, NULL, produce, NULL) != 0) {
		fprintf(stderr, "no threads\n");
		return 1;
	}
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	printf("{\"cycles_per_record\": %.4f}\n",
	       paced ? producer_cycles : (double)consumer_cycles / (double)records);
	return 0;
}
