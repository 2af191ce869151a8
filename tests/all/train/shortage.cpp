// An operator new that can fail. It is in a program of the tier all, which no
// sanitizer sees: they bring their own.
#include "tests/all/train/shortage.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

// Allocations to come before one fails; below 0: none does.
std::atomic<long> before_failure{-1};
std::atomic<bool> for_good{false};  // all later ones fail too
std::atomic<bool> failed{false};

bool fails() noexcept {
  if (before_failure < 0) return false;
  const long left = before_failure.fetch_sub(1);
  if (left > 0) return false;
  before_failure = for_good ? 0 : -1;
  failed = true;
  return true;
}

void* take(std::size_t size) noexcept {
  return fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}

void* take(std::size_t size, std::align_val_t alignment) noexcept {
  return fails() ? nullptr
                 : ::memalign(static_cast<std::size_t>(alignment), size);
}

void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Every form, so that each meets its partner.
void* operator new(std::size_t n) { return or_throw(take(n)); }
void* operator new[](std::size_t n) { return or_throw(take(n)); }
void* operator new(std::size_t n, std::align_val_t a) {
  return or_throw(take(n, a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return or_throw(take(n, a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return take(n);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return take(n);
}
void* operator new(std::size_t n, std::align_val_t a,
                   const std::nothrow_t&) noexcept {
  return take(n, a);
}
void* operator new[](std::size_t n, std::align_val_t a,
                     const std::nothrow_t&) noexcept {
  return take(n, a);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t,
                     const std::nothrow_t&) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::align_val_t,
                       const std::nothrow_t&) noexcept {
  std::free(p);
}
// What tensors live in.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails() ? nullptr : ::memalign(alignment, size);
}

namespace mjolnir::testing {

void let_fail(long n, bool good) {
  failed = false;
  for_good = good;
  before_failure = n - 1;
}

void nothing_fails() { before_failure = -1; }

bool memory_failed() { return failed; }

}  // namespace mjolnir::testing
