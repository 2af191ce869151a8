#include <mjolnir/core/types.h>

#include <algorithm>
#include <limits>

#include <mjolnir/core/error.h>

namespace mjolnir {

std::size_t size_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::F32:
      return 4;
    case DType::F64:
    case DType::I64:
      return 8;
    case DType::U8:
      return 1;
  }
  return 0;
}

const char* name_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::F32:
      return "f32";
    case DType::F64:
      return "f64";
    case DType::I64:
      return "i64";
    case DType::U8:
      return "u8";
  }
  return "?";
}

const char* name_of(Layout layout) noexcept {
  return layout == Layout::RowMajor ? "row-major" : "channels-last";
}

bool is_floating(DType dtype) noexcept {
  return dtype == DType::F32 || dtype == DType::F64;
}

Shape::Shape(std::initializer_list<std::int64_t> lengths) {
  assign(lengths.begin(), lengths.size());
}

Shape::Shape(const std::vector<std::int64_t>& lengths) {
  assign(lengths.data(), lengths.size());
}

void Shape::assign(const std::int64_t* lengths, std::size_t rank) {
  if (rank > max_rank) {
    throw ShapeError("[Shape] expected at most 8 axes, got " +
                     std::to_string(rank));
  }
  rank_ = rank;
  std::copy(lengths, lengths + rank, lengths_.begin());
  // The product without its zeros must fit too: {0, 2^63 - 1, 2} would
  // overflow as soon as somebody multiplies from the other end. Bytes of an
  // eight-byte type must fit as well.
  const std::int64_t most = std::numeric_limits<std::int64_t>::max() / 8;
  std::int64_t product = 1;
  bool empty = false;
  for (std::size_t i = 0; i < rank; ++i) {
    if (lengths_[i] < 0) {
      throw ShapeError("[Shape] expected lengths of at least 0, got " + str());
    }
    if (lengths_[i] == 0) {
      empty = true;
    } else if (product > most / lengths_[i]) {
      throw ShapeError("[Shape] the number of elements of " + str() +
                       " overflows");
    } else {
      product *= lengths_[i];
    }
  }
  numel_ = empty ? 0 : product;
}

std::int64_t Shape::dim(std::int64_t axis) const {
  return lengths_[normalize_axis("Shape::dim", axis, rank_)];
}

Shape Shape::with(std::int64_t axis, std::int64_t length) const {
  auto lengths = lengths_;
  lengths[normalize_axis("Shape::with", axis, rank_)] = length;
  Shape result;
  result.assign(lengths.data(), rank_);
  return result;
}

std::string Shape::str() const {
  std::string text = "(";
  for (std::size_t i = 0; i < rank_; ++i) {
    if (i > 0) text += ',';
    text += std::to_string(lengths_[i]);
  }
  return text + ")";
}

bool operator==(const Shape& a, const Shape& b) noexcept {
  return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
}

std::size_t normalize_axis(const char* op, std::int64_t axis,
                           std::size_t rank) {
  const auto n = static_cast<std::int64_t>(rank);
  if (axis < -n || axis >= n) {
    throw ShapeError("[" + std::string(op) + "] axis " + std::to_string(axis) +
                     " does not exist in a tensor of rank " +
                     std::to_string(rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + n : axis);
}

}  // namespace mjolnir
