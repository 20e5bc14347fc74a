// What abstract evaluation refuses: types without a meaning for the operation, and parameters that
// make no sense for its operands. Each is one line that begins with the primitive's name.
#include <sstream>

#include "support.hpp"

namespace jv::laws {

struct Refused {
  const char *name, *primitive;
  const char* operands;  // types, as printed
  const char* params;
  Code code;
};

// f32[2,3]
static Aval type_of(Session& session, const std::string& text) {
  size_t bracket = text.find('[');
  DType dtype = DType::none;
  for (const DTypeInfo& info : dtype_table)
    if (info.name == text.substr(0, bracket)) dtype = info.dtype;
  Ints shape;
  std::istringstream sizes(text.substr(bracket + 1, text.size() - bracket - 2));
  for (std::string size; std::getline(sizes, size, ',');) shape.push_back(std::stoll(size));
  return session.aval(dtype, shape);
}

void PrintTo(const Refused& r, std::ostream* out) { *out << r.name; }

class Equations : public testing::TestWithParam<Refused> {};
TEST_P(Equations, without_a_sense_are_refused) {
  auto session = make_ref<Session>(MemoryHooks{}, std::make_unique<ReferenceExecutor>());
  const Primitive& p = *find_primitive(GetParam().primitive);
  Avals in, out;
  std::istringstream types(GetParam().operands);
  for (std::string type; types >> type;) in.push_back(type_of(*session, type));
  ParamsRef params = parse_params(*session, p, GetParam().params, in);
  try {
    p.abstract_eval(*session, in, *params, out);
    ADD_FAILURE() << "not refused: " << to_string(out[0]);
  } catch (const Error& e) {
    std::string message = e.what();
    EXPECT_TRUE(e.is(GetParam().code)) << "code " << e.code << ": " << message;
    EXPECT_EQ(message.rfind(p.name, 0), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}
const Refused refused[] = {
    // dtypes
    {"sin_of_i32", "sin", "i32[2,2]", "", Code::dtype},
    {"exp_of_bool", "exp", "bool[2,2]", "", Code::dtype},
    {"sqrt_of_float0", "sqrt", "float0[2,2]", "", Code::dtype},
    {"floor_of_i64", "floor", "i64[2,2]", "", Code::dtype},
    {"erf_inv_of_u8", "erf_inv", "u8[2,2]", "", Code::dtype},
    {"is_finite_of_i32", "is_finite", "i32[2,2]", "", Code::dtype},
    {"neg_of_bool", "neg", "bool[2,2]", "", Code::dtype},
    {"abs_of_float0", "abs", "float0[2,2]", "", Code::dtype},
    {"square_of_bool", "square", "bool[2,2]", "", Code::dtype},
    {"not_of_f32", "not", "f32[2,2]", "", Code::dtype},
    {"and_of_f64", "and", "f64[2,2] f64[2,2]", "", Code::dtype},
    {"shift_left_of_bool", "shift_left", "bool[2,2] bool[2,2]", "", Code::dtype},
    {"add_of_bool", "add", "bool[2,2] bool[2,2]", "", Code::dtype},
    {"max_of_float0", "max", "float0[2,2] float0[2,2]", "", Code::dtype},
    {"eq_of_float0", "eq", "float0[2,2] float0[2,2]", "", Code::dtype},
    {"reduce_sum_of_bool", "reduce_sum", "bool[2,2]", "axes=(0,)", Code::dtype},
    {"reduce_max_of_float0", "reduce_max", "float0[2,2]", "axes=(0,)", Code::dtype},
    {"lu_of_f16", "lu", "f16[2,2]", "", Code::dtype},
    {"lu_of_i32", "lu", "i32[2,2]", "", Code::dtype},
    {"random_bits_of_i32", "random_bits", "i32[2,2]", "bit_width=8 shape=()", Code::dtype},
    {"threefry2x32_of_i32", "threefry2x32", "i32[2,2] i32[2,2] i32[2,2] i32[2,2]", "", Code::dtype},
    // parameters and shapes
    {"reduce_axis", "reduce_sum", "f32[2]", "axes=(1,)", Code::invalid_argument},
    {"reduce_order", "reduce_sum", "f32[2,3]", "axes=(1, 0)", Code::invalid_argument},
    {"reduce_twice", "reduce_max", "f32[2,3]", "axes=(0, 0)", Code::invalid_argument},
    {"reduce_negative", "reduce_min", "f32[2]", "axes=(-1,)", Code::invalid_argument},
    {"reshape_size", "reshape", "f32[6]", "new_sizes=(4,)", Code::shape},
    {"reshape_negative", "reshape", "f32[6]", "new_sizes=(-1,)", Code::invalid_argument},
    {"squeeze_size", "squeeze", "f32[2]", "dimensions=(0,)", Code::shape},
    {"squeeze_axis", "squeeze", "f32[1]", "dimensions=(1,)", Code::invalid_argument},
    {"transpose_short", "transpose", "f32[2,3]", "permutation=(0,)", Code::invalid_argument},
    {"transpose_twice", "transpose", "f32[2,2]", "permutation=(0, 0)", Code::invalid_argument},
    {"broadcast_size", "broadcast_in_dim", "f32[2]", "broadcast_dimensions=(0,) shape=(3,)",
     Code::shape},
    {"broadcast_order", "broadcast_in_dim", "f32[2,2]", "broadcast_dimensions=(1, 0) shape=(2, 2)",
     Code::invalid_argument},
    {"broadcast_count", "broadcast_in_dim", "f32[2]", "broadcast_dimensions=() shape=(2,)",
     Code::invalid_argument},
    {"broadcast_negative", "broadcast_in_dim", "f32[]", "broadcast_dimensions=() shape=(2, -3)",
     Code::invalid_argument},
    {"iota_axis", "iota", "", "dimension=1 dtype=int32 shape=(2,)", Code::invalid_argument},
    {"iota_bool", "iota", "", "dimension=0 dtype=bool shape=(2,)", Code::dtype},
    {"iota_negative", "iota", "", "dimension=0 dtype=int32 shape=(-2,)", Code::invalid_argument},
    {"concatenate_axis", "concatenate", "f32[2]", "dimension=1", Code::invalid_argument},
    {"concatenate_ndim", "concatenate", "f32[2] f32[2,2]", "dimension=0", Code::shape},
    {"concatenate_rows", "concatenate", "f32[2,3] f32[2,4]", "dimension=0", Code::shape},
    {"concatenate_nothing", "concatenate", "", "dimension=0", Code::invalid_argument},
    {"slice_limit", "slice", "f32[4]", "limit_indices=(5,) start_indices=(0,) strides=None",
     Code::invalid_argument},
    {"slice_backwards", "slice", "f32[4]", "limit_indices=(1,) start_indices=(2,) strides=None",
     Code::invalid_argument},
    {"slice_count", "slice", "f32[4]", "limit_indices=(1, 1) start_indices=(0,) strides=None",
     Code::invalid_argument},
    {"slice_stride", "slice", "f32[4]", "limit_indices=(4,) start_indices=(0,) strides=(0,)",
     Code::invalid_argument},
    {"pad_value", "pad", "f32[2] f32[1]", "padding_config=((0, 0, 0),)", Code::shape},
    {"pad_interior", "pad", "f32[2] f32[]", "padding_config=((0, 0, -1),)", Code::invalid_argument},
    {"pad_count", "pad", "f32[2] f32[]", "padding_config=()", Code::invalid_argument},
    {"pad_below_zero", "pad", "f32[2] f32[]", "padding_config=((-2, -1, 0),)", Code::shape},
    {"select_three_by_bool", "select_n", "bool[] f32[] f32[] f32[]", "", Code::invalid_argument},
    {"select_by_float", "select_n", "f32[] f32[] f32[]", "", Code::dtype},
    {"select_shapes", "select_n", "bool[2] f32[3] f32[3]", "", Code::shape},
    {"select_nothing", "select_n", "bool[]", "", Code::invalid_argument},
    {"dot_sizes", "dot_general", "f32[2] f32[3]",
     "dimension_numbers=(([0], [0]), ([], [])) preferred_element_type=None", Code::shape},
    {"dot_counts", "dot_general", "f32[2] f32[2]",
     "dimension_numbers=(([0], []), ([], [])) preferred_element_type=None", Code::invalid_argument},
    {"dot_twice", "dot_general", "f32[2] f32[2]",
     "dimension_numbers=(([0], [0]), ([0], [0])) preferred_element_type=None",
     Code::invalid_argument},
    {"dot_axis", "dot_general", "f32[2] f32[2]",
     "dimension_numbers=(([1], [0]), ([], [])) preferred_element_type=None",
     Code::invalid_argument},
    {"dot_kind", "dot_general", "f32[2] f32[2]",
     "dimension_numbers=(([0], [0]), ([], [])) preferred_element_type=int32", Code::dtype},
    {"lu_vector", "lu", "f32[2]", "", Code::shape},
    {"solve_rectangle", "triangular_solve", "f32[2,3] f32[2,3]",
     "conjugate_a=False left_side=True lower=True transpose_a=False unit_diagonal=False",
     Code::shape},
    {"solve_rows", "triangular_solve", "f32[2,2] f32[3,2]",
     "conjugate_a=False left_side=True lower=True transpose_a=False unit_diagonal=False",
     Code::shape},
    {"solve_batches", "triangular_solve", "f32[2,2] f32[4,2,2]",
     "conjugate_a=False left_side=True lower=True transpose_a=False unit_diagonal=False",
     Code::shape},
    {"bits_width", "random_bits", "u32[2]", "bit_width=12 shape=()", Code::invalid_argument},
    {"bits_key", "random_bits", "u32[3]", "bit_width=32 shape=()", Code::shape},
    {"bits_negative", "random_bits", "u32[2]", "bit_width=32 shape=(-1,)", Code::invalid_argument},
    {"bitcast_parts", "bitcast_convert_type", "u8[3]", "new_dtype=uint16", Code::shape},
    {"bitcast_bool", "bitcast_convert_type", "bool[2]", "new_dtype=uint8", Code::dtype},
    {"convert_float0", "convert_element_type", "f32[2]", "new_dtype=float0", Code::dtype},
};
INSTANTIATE_TEST_SUITE_P(Laws, Equations, testing::ValuesIn(refused),
                         [](auto& info) { return info.param.name; });

}  // namespace jv::laws
