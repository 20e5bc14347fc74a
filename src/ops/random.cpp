#include "ops/random.hpp"

#include "ops/numpy.hpp"

namespace jv::random {

static void check_key(const char* name, const Tracer& key) {
  if (key.dtype() != DType::u32 || key.shape() != Ints{2})
    fail(key.dtype() != DType::u32 ? Code::dtype : Code::shape, name, ": takes a key, u32[2], got ",
         to_string(key.aval()));
}

Tracer key(Trace& at, uint64_t seed) {
  Session& session = at.cx.session();
  const int64_t shape[] = {2};
  Array words = Array::allocate(session, session.aval(DType::u32, shape));
  words.mutable_data<uint32_t>()[0] = uint32_t(seed >> 32);
  words.mutable_data<uint32_t>()[1] = uint32_t(seed);
  return at.cx.tracer(std::move(words));
}

// The high and the low word of 64 random bits are a key.
Tracer split(const Tracer& key, int64_t n) {
  check_key("random_split", key);
  if (n < 0) fail(Code::invalid_argument, "random_split: ", n, " keys");
  Tracer bits = random_bits(key, 64, {n});
  Tracer high = convert_element_type(shift_right_logical(bits, full_like(bits, 32)), DType::u32);
  const Tracer words[] = {high, convert_element_type(bits, DType::u32)};
  return np::stack(words, 1);
}

static Tracer word(const Tracer& key, int64_t i) {
  return reshape(slice(key, {i}, {i + 1}, {1}), {});
}

// The number, as a 64-bit count, enciphered under the key.
Tracer fold_in(const Tracer& key, const Tracer& number) {
  check_key("random_fold_in", key);
  if (!is_integer(number.dtype()) || !number.shape().empty())
    fail(Code::dtype, "random_fold_in: takes an integer scalar, got ", to_string(number.aval()));
  Tracer k1 = word(key, 0), k2 = word(key, 1), low = np::convert(number, DType::u32);
  return np::stack(threefry2x32(k1, k2, zeros_like(low), low), 0);
}

// Explicit bits of the significand, and the bits of 1.0.
struct Format {
  int64_t bits, mantissa;
  DType integer;
  double one;
};
static Format format_of(const char* name, DType dtype) {
  switch (dtype) {
    case DType::f16: return {16, 10, DType::u16, 0x3c00};
    case DType::bf16: return {16, 7, DType::u16, 0x3f80};
    case DType::f32: return {32, 23, DType::u32, 0x3f800000};
    case DType::f64: return {64, 52, DType::u64, 0x3ff0000000000000};
    default: fail(Code::dtype, name, ": takes a floating-point type, got ", name_of(dtype));
  }
}

// Random bits as the fraction of a number in [1, 2), less 1.
static Tracer unit(const char* name, const Tracer& key, DType dtype, const Ints& shape) {
  Format f = format_of(name, dtype);
  int64_t width = f.mantissa < 8 ? 8 : f.bits;
  Tracer bits = np::convert(random_bits(key, width, shape), f.integer);
  Tracer fraction = shift_right_logical(bits, full_like(bits, double(width - f.mantissa)));
  Tracer number = bitwise_or(fraction, full_like(fraction, f.one));
  return bitcast_convert_type(number, dtype) - 1;
}

Tracer uniform(const Tracer& key, DType dtype, const Ints& shape) {
  check_key("random_uniform", key);
  return unit("random_uniform", key, dtype, shape);
}

Tracer uniform(const Tracer& key, DType dtype, const Ints& shape, double low, double high) {
  check_key("random_uniform", key);
  Tracer u = unit("random_uniform", key, dtype, shape);
  return maximum(u * (high - low) + low, full_like(u, low));
}

// By the inverse of the distribution: sqrt(2) erf_inv(u), u uniform in (-1, 1).
Tracer normal(const Tracer& key, DType dtype, const Ints& shape) {
  check_key("random_normal", key);
  Format f = format_of("random_normal", dtype);
  double above = -1 + 1 / double(int64_t{2} << f.mantissa);  // the number next to -1
  Tracer u = unit("random_normal", key, dtype, shape);
  Tracer range = full_like(u, 1) - above;  // rounded as the type rounds
  Tracer x = maximum(u * range + above, full_like(u, above));
  return erf_inv(x) * 1.41421356237309504880;
}

}  // namespace jv::random
