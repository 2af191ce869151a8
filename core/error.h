#pragma once

#include <stdexcept>
#include <string>

namespace mjolnir {

/**
 * Base of everything this library throws, but for two: std::bad_alloc, where
 * memory runs out or a size is more than there can be, and what a function that
 * it was given (a hook, a loss, a data set) throws, which passes through.
 */
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** An argument outside its domain, a wrong dtype, or a call out of order. */
class ValueError : public Error {
 public:
  using Error::Error;
};

/** A shape, rank or size that does not fit the operation. */
class ShapeError : public Error {
 public:
  using Error::Error;
};

/** A file that is missing, unreadable, truncated or not what it claims. */
class IoError : public Error {
 public:
  using Error::Error;
};

/** A non-finite number, or a factorisation that failed. */
class NumericalError : public Error {
 public:
  using Error::Error;
};

}  // namespace mjolnir
