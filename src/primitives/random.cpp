// Random bits: integer functions of a key, the same on every machine.
#include "primitives/family.hpp"

namespace jv {

// --- random_bits ---------------------------------------------------------------------------------

static void random_bits_aval(Session& session, std::span<const Aval> in, const Params& p,
                             Avals& out) {
  const char* name = "random_bits";
  Aval key = in[0];
  if (key->dtype != DType::u32)
    fail(Code::dtype, name, ": takes a key, u32[2], got ", to_string(key));
  if (key->ndim() == 0 || key->shape.back() != 2)
    fail(Code::shape, name, ": takes a key, u32[2], got ", to_string(key));
  int64_t width = p.integer("bit_width");
  if (width != 8 && width != 16 && width != 32 && width != 64)
    fail(Code::invalid_argument, name, ": bit_width is 8, 16, 32 or 64, got ", width);
  check_sizes(name, p.ints("shape"));
  Shape shape(key->shape.begin(), key->shape.end() - 1);
  shape.append(p.ints("shape"));
  out.push_back(session.aval(DType(int32_t(DType::u8) - 8 + int32_t(width)), shape));
}

static void random_bits_eval(const EvalArgs& a) {
  Aval out = a.out_avals[0];
  a.out[0] = Array::allocate(a.session, out);
  size_t n_keys = a.in[0].aval()->size / 2, n = n_keys ? out->size / n_keys : 0;
  int width = int(a.params.integer("bit_width"));
  for (size_t i = 0; i < n_keys; ++i)
    kernels::random_bits(width, a.in[0].data<uint32_t>() + 2 * i, n,
                         a.out[0].mutable_data<char>() + i * n * size_t(width / 8));
}

constexpr Primitive random_bits_p = define({
    .name = "random_bits",
    .signature = "key, bit_width: int, shape: ints",
    .doc = "Unsigned integers of 8, 16, 32 or 64 random bits under a key u32[2], those that JAX "
           "gives. Of several keys [..., 2], an array of that shape for each.",
    .abstract_eval = random_bits_aval,
    .eval = random_bits_eval,
    .batch =
        [](auto&, auto in, auto, auto& p) {
          return random_bits(in[0].value, p.integer("bit_width"), p.ints("shape"));
        },
    .differentiable = false,
});

// --- threefry2x32 --------------------------------------------------------------------------------

static void threefry2x32_aval(Session&, std::span<const Aval> in, const Params&, Avals& out) {
  for (Aval x : in) {
    if (x->dtype != DType::u32)
      fail(Code::dtype, "threefry2x32: takes words of u32, got ", to_string(x));
    check_same("threefry2x32", in[0], x);
  }
  out.push_back(in[0]);
  out.push_back(in[0]);
}

static void threefry2x32_eval(const EvalArgs& a) {
  for (Array& out : a.out) out = Array::allocate(a.session, a.out_avals[0]);
  auto word = [&](size_t which, size_t i) { return a.in[which].data<uint32_t>() + i; };
  for (size_t i = 0; i < a.out_avals[0]->size; ++i) {
    const uint32_t key[] = {*word(0, i), *word(1, i)};
    kernels::threefry2x32(key, word(2, i), word(3, i), a.out[0].mutable_data<uint32_t>() + i,
                          a.out[1].mutable_data<uint32_t>() + i, 1);
  }
}

static Batched threefry2x32_batch(BatchTrace&, const Primitive& p, MappedOperands in,
                                  const Params& params) {
  int64_t size = 0;
  for (const Mapped& m : in)
    if (m.mapped) size = m.value.shape()[0];
  Tracers words;
  for (const Mapped& m : in) words.push_back(materialise(m, size));
  return each_mapped(bind(p, words, ParamsRef(&params)));
}

constexpr Primitive threefry2x32_p = define({
    .name = "threefry2x32",
    .signature = "k1, k2, x1, x2",
    .doc = "The Threefry-2x32 block cipher with 20 rounds: the words (x1, x2) under the key (k1, "
           "k2), each element; all are u32.",
    .abstract_eval = threefry2x32_aval,
    .eval = threefry2x32_eval,
    .batch_all = threefry2x32_batch,
    .differentiable = false,
});

}  // namespace jv
