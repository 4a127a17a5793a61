/* Functions for Nyala in C: docs/reference/guest-abi.md as declarations.
 *
 * Include it in every file; in one of them write `#define NYALA_IMPLEMENTATION` before. Needs no C library.
 */
#ifndef NYALA_H
#define NYALA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the next function an export: NYALA_EXPORT("nyala_scalar_f"). */
#define NYALA_EXPORT(name) __attribute__((export_name(name)))
#define NYALA_IMPORT(name) __attribute__((import_module("nyala"), import_name(name)))

/* What the host gives. Row -1 where no row is to blame. */
NYALA_IMPORT("fail") void nyala_fail(const char *message, uint32_t length, int32_t row);
NYALA_IMPORT("log") void nyala_log(uint32_t level, const char *message, uint32_t length);
NYALA_IMPORT("now") int64_t nyala_now(void);
NYALA_IMPORT("random") int64_t nyala_random(void);
NYALA_IMPORT("scratch_write") int32_t nyala_scratch_write(int64_t offset, const void *bytes, uint32_t length);
NYALA_IMPORT("scratch_read") int32_t nyala_scratch_read(int64_t offset, void *bytes, uint32_t length);

enum nyala_kind {
    NYALA_BOOLEAN = 1,
    NYALA_INT8 = 2,
    NYALA_INT16 = 3,
    NYALA_INT32 = 4,
    NYALA_INT64 = 5,
    NYALA_UINT32 = 6,
    NYALA_FLOAT32 = 7,
    NYALA_FLOAT64 = 8,
    NYALA_INT128 = 9,
    NYALA_TEXT = 10,
    NYALA_BINARY = 11,
    NYALA_LIST = 12,
    NYALA_STRUCT = 13,
    NYALA_INTERVAL = 14,
};

typedef struct {
    int32_t months;
    int32_t days;
    int64_t nanoseconds;
} nyala_interval;

typedef struct nyala_column {
    uint32_t kind;
    uint32_t rows;
    const uint8_t *validity; /* a bit for each row, 1 where there is a value; NULL when all have one */
    const void *values;
    const int32_t *offsets; /* TEXT, BINARY, LIST: rows + 1 */
    uint32_t values_len;    /* bytes */
    const struct nyala_column *children;
    uint32_t child_count;
} nyala_column;

typedef struct {
    const nyala_column *columns;
    uint32_t column_count;
    uint32_t rows;
} nyala_batch;

_Static_assert(sizeof(nyala_column) == 32 && sizeof(nyala_batch) == 12, "compile for wasm32");

static inline bool nyala_is_null(const nyala_column *column, uint32_t row) {
    return column->validity && !(column->validity[row / 8] >> (row % 8) & 1);
}

/* The bytes of a TEXT or BINARY value; they do not end with a zero. */
static inline const char *nyala_bytes(const nyala_column *column, uint32_t row, uint32_t *length) {
    *length = (uint32_t)(column->offsets[row + 1] - column->offsets[row]);
    return (const char *)column->values + column->offsets[row];
}

/* Room until the host calls again. Never NULL: traps when there is none. */
void *nyala_take(uint32_t size, uint32_t align);

/* A TEXT column that is written row by row: nyala_text_add as often as needed, then nyala_text_end or nyala_text_null.
 * Take no other room in between: the bytes grow where they are. */
typedef struct {
    nyala_column column;
    char *bytes;
    uint32_t length;
    int32_t *offsets;
    uint8_t *validity;
    uint32_t row;
} nyala_text;

nyala_text *nyala_text_new(uint32_t rows);
void nyala_text_add(nyala_text *text, const char *bytes, uint32_t length);
void nyala_text_end(nyala_text *text);
void nyala_text_null(nyala_text *text);
/* What the function returns when all rows are written. */
const nyala_column *nyala_text_column(nyala_text *text);

#ifdef NYALA_IMPLEMENTATION

extern unsigned char __heap_base;

static uintptr_t nyala_next;

__attribute__((no_builtin("memcpy"))) void *memcpy(void *to, const void *from, size_t size) {
    char *target = to;
    const char *source = from;
    for (size_t i = 0; i < size; i++) target[i] = source[i];
    return to;
}

__attribute__((no_builtin("memset"))) void *memset(void *to, int value, size_t size) {
    char *target = to;
    for (size_t i = 0; i < size; i++) target[i] = (char)value;
    return to;
}

void *nyala_take(uint32_t size, uint32_t align) {
    if (!nyala_next) nyala_next = (uintptr_t)&__heap_base;
    uint64_t begin = ((uint64_t)nyala_next + align - 1) / align * align;
    uint64_t end = begin + size;
    uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) * 65536;
    if (end > have) {
        uint64_t pages = (end - have + 65535) / 65536;
        if (end > UINT32_MAX || __builtin_wasm_memory_grow(0, (size_t)pages) == (size_t)-1) {
            static const char message[] = "out of memory";
            nyala_fail(message, sizeof message - 1, -1);
            __builtin_trap();
        }
    }
    nyala_next = (uintptr_t)end;
    return (void *)(uintptr_t)begin;
}

NYALA_EXPORT("nyala_alloc") void *nyala_alloc(uint32_t size, uint32_t align) { return nyala_take(size, align ? align : 1); }

NYALA_EXPORT("nyala_reset") void nyala_reset(void) { nyala_next = (uintptr_t)&__heap_base; }

nyala_text *nyala_text_new(uint32_t rows) {
    nyala_text *text = nyala_take(sizeof *text, 8);
    text->column = (nyala_column){.kind = NYALA_TEXT, .rows = rows};
    text->offsets = nyala_take((rows + 1) * 4, 4);
    text->offsets[0] = 0;
    text->validity = nyala_take((rows + 7) / 8, 1);
    memset(text->validity, 0xff, (rows + 7) / 8);
    text->bytes = nyala_take(0, 1);
    text->length = 0;
    text->row = 0;
    return text;
}

void nyala_text_add(nyala_text *text, const char *bytes, uint32_t length) {
    memcpy(nyala_take(length, 1), bytes, length);
    text->length += length;
}

void nyala_text_end(nyala_text *text) { text->offsets[++text->row] = (int32_t)text->length; }

void nyala_text_null(nyala_text *text) {
    text->validity[text->row / 8] &= (uint8_t)~(1 << text->row % 8);
    text->column.validity = text->validity;
    nyala_text_end(text);
}

const nyala_column *nyala_text_column(nyala_text *text) {
    text->column.values = text->bytes;
    text->column.values_len = text->length;
    text->column.offsets = text->offsets;
    return &text->column;
}

#endif
#endif
