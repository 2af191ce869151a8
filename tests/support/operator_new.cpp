// Replaces operator new of the program by one that counts its calls and keeps
// the largest request.

#include "tests/support/operator_new.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::int64_t> calls{0};
std::atomic<std::size_t> largest{0};

void note(std::size_t size) noexcept {
  calls.fetch_add(1, std::memory_order_relaxed);
  std::size_t before = largest.load(std::memory_order_relaxed);
  while (before < size && !largest.compare_exchange_weak(before, size)) {
  }
}

void* noted_or_null(std::size_t size) noexcept {
  note(size);
  return std::malloc(size == 0 ? 1 : size);
}

void* noted(std::size_t size) {
  void* memory = noted_or_null(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* noted(std::size_t size, std::align_val_t alignment) {
  note(size);
  const auto step = static_cast<std::size_t>(alignment);
  void* memory = std::aligned_alloc(step, (size + step - 1) / step * step);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

namespace mjolnir::testing {

std::int64_t operator_new_calls() noexcept { return calls.load(); }

void reset_largest_allocation() noexcept { largest = 0; }

std::size_t largest_allocation() noexcept { return largest.load(); }

}  // namespace mjolnir::testing

void* operator new(std::size_t size) { return noted(size); }
void* operator new[](std::size_t size) { return noted(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return noted(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return noted(size, alignment);
}
// AddressSanitizer's own would not go with our delete.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return noted_or_null(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return noted_or_null(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
