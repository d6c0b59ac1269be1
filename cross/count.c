/* Counts the instructions that each thread of a program runs under qemu-user, into a file that can be read meanwhile.
 *
 *   cc -shared -fPIC -O2 count.c -o count.so
 *   qemu-aarch64 -plugin ./count.so,into=<path> <program>
 *
 * The file is an array of THREADS records. Debian ships QEMU with plugins and without qemu-plugin.h, so the part of the
 * interface (QEMU 4.2 to 10: docs/devel/tcg-plugins) that is used is declared here. A block that is left early by a
 * signal counts as run to its end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef struct qemu_info qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
#define EXPORT __attribute__((visibility("default")))

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), enum qemu_plugin_cb_flags,
                                          void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

EXPORT int qemu_plugin_version = 1;

/* Threads beyond these share the last record, and lose counts there; the reader refuses a file whose last is in use. */
enum { THREADS = 256 };

/* As tests/instructions/count.rs reads it; as long as a cache line, so that threads do not disturb each other. */
struct record {
    volatile uint64_t instructions;
    volatile uint64_t thread; /* Linux's number; 0: never used */
    uint64_t unused[6];
};
static struct record *records;

static struct record *of(unsigned vcpu) { return &records[vcpu < THREADS ? vcpu : THREADS - 1]; }

/* The number of a thread that has ended is given to a new one, which goes on counting in the same record. */
static void ran(unsigned vcpu, void *instructions) {
    static __thread int known;
    struct record *record = of(vcpu);
    if (!known) {
        known = 1;
        record->thread = (uint64_t)syscall(SYS_gettid);
    }
    record->instructions += (uintptr_t)instructions;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, ran, QEMU_PLUGIN_CB_NO_REGS, (void *)qemu_plugin_tb_n_insns(block));
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    (void)info;
    const char *path = NULL;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "into=", 5)) path = argv[i] + 5;
    }
    if (!path) {
        fprintf(stderr, "count: no into=<path> after the plugin's name\n");
        return 1;
    }
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof(struct record) * THREADS)) {
        perror(path);
        return 1;
    }
    void *mapped = mmap(NULL, sizeof(struct record) * THREADS, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) {
        perror(path);
        return 1;
    }
    records = mapped;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
