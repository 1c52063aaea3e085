// Memory for a policy. Blocks have sizes that are powers of two, and a freed one waits in the list of its size for the next
// that wants as much: short, and a policy that runs for weeks in one instance does not grow.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536
#define SMALLEST 5 // 2^5 bytes, header included
#define LARGEST 28

typedef struct block {
  size_t power;
  struct block *next; // of a free block; of a used one it is the room that aligns what follows
} block;

extern unsigned char __heap_base; // from the linker: the first byte after data and stack
static uintptr_t top;
static block *waiting[LARGEST + 1];

static size_t power_for(size_t size) {
  size_t power = SMALLEST;
  while (((size_t)1 << power) - sizeof(block) < size)
    if (++power > LARGEST) abort();
  return power;
}

void *malloc(size_t size) {
  size_t power = power_for(size);
  block *found = waiting[power];
  if (found) {
    waiting[power] = found->next;
    return found + 1;
  }
  if (!top) top = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
  uintptr_t end = top + ((uintptr_t)1 << power), has = __builtin_wasm_memory_size(0) * PAGE;
  if (end > has && __builtin_wasm_memory_grow(0, (end - has + PAGE - 1) / PAGE) == (size_t)-1) abort();
  found = (block *)top;
  found->power = power;
  top = end;
  return found + 1;
}

void free(void *used) {
  if (!used) return;
  block *freed = (block *)used - 1;
  freed->next = waiting[freed->power];
  waiting[freed->power] = freed;
}

void *realloc(void *old, size_t size) {
  if (!old) return malloc(size);
  size_t room = ((size_t)1 << ((block *)old - 1)->power) - sizeof(block);
  if (size <= room) return old;
  void *larger = malloc(size);
  memcpy(larger, old, room);
  free(old);
  return larger;
}

// A policy that stops so denies, and the operator reads that it trapped.
_Noreturn void abort(void) { __builtin_trap(); }

void *memmove(void *to, const void *from, size_t count) {
  unsigned char *t = to;
  const unsigned char *f = from;
  if (t <= f)
    for (size_t i = 0; i < count; i++) t[i] = f[i];
  else
    while (count--) t[count] = f[count];
  return to;
}

void *memcpy(void *to, const void *from, size_t count) { return memmove(to, from, count); }

void *memset(void *to, int byte, size_t count) {
  for (unsigned char *t = to; count--; t++) *t = (unsigned char)byte;
  return to;
}

int memcmp(const void *left, const void *right, size_t count) {
  for (const unsigned char *l = left, *r = right; count--; l++, r++)
    if (*l != *r) return *l - *r;
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}
