// Saved bytes that are damaged or hostile: each is refused, or loads to a program that typechecks.
// The checksum is made right again, so that the checks behind it are what is tested.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "support.hpp"
#include "text/encode.hpp"
#include "text/print.hpp"

namespace inside {
namespace {

using jv::Error;

constexpr std::string_view rule_text = R"(let tenfold_0 = rule[
  arguments=({'a': *, 'b': None},)
  bwd={ lambda a:f64[2]=[1.5 -0.0]; b:f64[2] c:f64[2]. let
      d:f64[2] = mul a b
      e:f64[2] = mul d c
    in (e,) }
  bwd_gives=[True]
  fwd={ lambda ; a:f64[2]. let
      b:f64[2] = custom_vjp_call[
        bwd=tenfold_bwd
        call_jaxpr={ lambda ; a:f64[2]. let b:f64[2] = sin a in (b,) }
        fwd=tenfold_fwd
        name=tenfold
        num_consts=0
        rule=tenfold_0
        symbolic_zeros=False
      ] a
    in (b, a) }
  n_out=1
  name=tenfold
] in
let main = structure[arguments=({'a': *, 'b': None}, *) results=[*]] in
{ lambda ; a:f64[2] n:i32[]. let
    b:f64[2] = custom_vjp_call[
      bwd=tenfold_bwd
      call_jaxpr={ lambda ; a:f64[2]. let b:f64[2] = sin a in (b,) }
      fwd=tenfold_fwd
      name=tenfold
      num_consts=0
      rule=tenfold_0
      symbolic_zeros=False
    ] a
    c:i32[] = add n 1:i32[]
    d:f64[2] = cond[
      branches=(
        { lambda ; a:f64[2]. let b:f64[2] = mul a a in (b,) }
        { lambda ; a:f64[2]. let b:f64[2] = slice[limit_indices=(2,) start_indices=(0,) strides=None] a in (b,) }
      )
    ] c b
    e:f64[2,2] = dot_general[dimension_numbers=(([], []), ([], []))
      preferred_element_type=float64] b d
    f:f64[2] = reduce_sum[axes=(0,)] e
    g:f32[2] = convert_element_type[new_dtype=float32 weak_type=False] f
  in (g,) })";

// Half a derivative in the equation of a solver.
constexpr std::string_view half_text = R"({ lambda ; a:f64[] b:f64[]. let
    c:f64[] = custom_linear_solve[
      const_lengths=(1, 0, 0, 0)
      jaxprs=(
        { lambda ; a:f64[] b:f64[]. let
            c:f64[] = custom_lin_jaxprs[
              jaxprs=(
                { lambda ; a:f64[] b:f64[]. let c:f64[] = mul a b in (c,) }
                { lambda ; a:f64[] b:f64[]. let c:f64[] = div b a in (c,) }
              )
              name=f
              num_res=1
            ] a b
          in (c,) }
        { lambda ; a:f64[]. let in (a,) }
      )
    ] a b
  in (c,) })";

jv::ModuleRef read(jv::Session& session, std::string_view text) {
  return jv::parse_module(session, text, jv::find_primitive);
}

std::string sealed(std::string bytes) {
  bytes.resize(bytes.size() - 8);
  uint64_t sum = jv::bytes::checksum(bytes);
  for (int i = 0; i < 8; ++i) bytes += char(sum >> 8 * i);
  return bytes;
}

// What is accepted is a program.
bool accepted(const std::string& bytes) {
  auto session = make_session();
  jv::ModuleRef module;
  try {
    module = jv::decode(*session, bytes, jv::find_primitive);
  } catch (const Error& e) {
    EXPECT_TRUE(e.is(jv::Code::parse) || e.is(jv::Code::not_found) || e.is(jv::Code::abi_mismatch))
        << e.code << e.message;
    return false;
  }
  check_module(*module);
  EXPECT_EQ(encode(*jv::decode(*session, encode(*module), jv::find_primitive)), encode(*module));
  std::string text = to_string(*module);
  EXPECT_EQ(to_string(*read(*session, text)), text);
  return true;
}

TEST(Module, text_and_bytes_are_the_same) {
  auto session = make_session(), other = make_session();
  jv::ModuleRef module = read(*session, rule_text);
  std::string bytes = encode(*module), text = to_string(*module);
  EXPECT_EQ(to_string(*jv::decode(*other, bytes, jv::find_primitive)), text);
  EXPECT_EQ(encode(*read(*other, text)), bytes);
}

TEST(Module, every_truncation_is_refused) {
  auto session = make_session();
  std::string bytes = encode(*read(*session, rule_text));
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(accepted(bytes.substr(0, n))) << n;
    if (n < 17) continue;
    EXPECT_FALSE(accepted(sealed(bytes.substr(0, n)))) << n;
  }
  EXPECT_FALSE(accepted(sealed(bytes + "12345678")));
}

TEST(Module, every_change_of_a_byte_is_refused_or_a_program) {
  auto session = make_session();
  const std::pair<std::string_view, size_t> rows[] = {{rule_text, 100}, {half_text, 20}};
  for (auto [text, least] : rows) {
    const std::string bytes = encode(*read(*session, text));
    size_t programs = 0, refused = 0;
    for (size_t i = 0; i + 8 < bytes.size(); ++i)
      for (int change : {1, 2, 4, 8, 16, 32, 64, 128, 255, 127, 3}) {
        std::string changed = bytes;
        changed[i] = char(changed[i] ^ change);
        EXPECT_FALSE(accepted(changed));
        ++(accepted(sealed(changed)) ? programs : refused);
      }
    EXPECT_GT(programs, least);  // the numbers of constants, names
    EXPECT_GT(refused, 100u);
  }
}

TEST(Module, text_on_one_line) {
  auto session = make_session();
  std::string line(rule_text);
  for (char& c : line)
    if (c == '\n') c = ' ';
  EXPECT_EQ(to_string(*read(*session, line)), to_string(*read(*session, rule_text)));
}

// ---- hostile counts and sizes

class Bytes {
 public:
  Bytes& number(uint64_t x) {
    for (; x >= 128; x >>= 7) out_ += char(x | 128);
    out_ += char(x);
    return *this;
  }
  Bytes& text(std::string_view s) {
    number(s.size());
    out_ += s;
    return *this;
  }
  std::string module() const {
    return sealed(std::string(jv::bytes::magic) + char(jv::bytes::version) + out_ + "12345678");
  }

 private:
  std::string out_;
};

TEST(Module, counts_are_not_believed) {
  for (uint64_t count : {uint64_t{100}, uint64_t{1} << 32, UINT64_MAX}) {
    EXPECT_FALSE(accepted(Bytes().number(count).module()));
    EXPECT_FALSE(accepted(Bytes().number(0).number(count).module()));
    EXPECT_FALSE(accepted(Bytes().number(0).number(0).number(1).number(count).module()));
    Bytes wide;  // a constant of many elements that are not there
    wide.number(0).number(1).number(0x240).number(1).number(count >> 8).number(0).number(1);
    EXPECT_FALSE(accepted(Bytes(wide).number(1).number(0).module()));
  }
  Bytes large;  // 2^40 x 2^40 elements
  large.number(0).number(1).number(0x240).number(2).number(uint64_t{1} << 40);
  EXPECT_FALSE(accepted(large.number(uint64_t{1} << 40).number(0).number(0).module()));
}

// References are made by the library alone: bytes would be pointers. A null one has none.
TEST(Module, references_are_refused) {
  auto module = [](jv::DType dtype, size_t n_bytes, bool constant) {
    Bytes b;
    b.number(0).number(1).number(uint64_t(dtype)).number(0);  // no primitives, one type
    b.number(0).number(1);                                    // no rules, one jaxpr
    if (!constant) b.number(0).number(0);
    b.number(1).number(0);  // a constant or a literal
    for (size_t i = 0; i < n_bytes; ++i) b.number(0);
    for (int i = 0; i < (constant ? 4 : 2); ++i) b.number(0);
    return b.number(0).number(1).number(0).module();
  };
  for (bool constant : {false, true}) EXPECT_TRUE(accepted(module(jv::DType::f64, 8, constant)));
  EXPECT_TRUE(accepted(module(jv::DType::opaque, 0, false)));
  EXPECT_FALSE(accepted(module(jv::DType::opaque, 8, false)));
  EXPECT_FALSE(accepted(module(jv::DType::opaque, 0, true)));
  EXPECT_FALSE(accepted(module(jv::DType::opaque, 8, true)));
}

// Jaxpr i calls the one before `uses` times.
std::string nested(size_t depth, size_t uses) {
  Bytes b;
  b.number(1).text("jit").number(1).number(0x240).number(0).number(0).number(depth);
  for (size_t i = 0; i < depth; ++i) {
    b.number(0).number(1).number(0).number(0).number(i ? uses : 0);
    for (size_t u = 0; i && u < uses; ++u) b.number(0).number(i - 1).text("f").number(1).number(0);
    b.number(1).number(0);
  }
  return b.number(0).number(depth).number(0).module();
}

TEST(Module, nesting_and_size_are_limited) {
  EXPECT_TRUE(accepted(nested(200, 1)));
  EXPECT_FALSE(accepted(nested(300, 1)));
  EXPECT_FALSE(accepted(nested(100000, 1)));
  EXPECT_TRUE(accepted(nested(8, 2)));
  EXPECT_FALSE(accepted(nested(100, 2)));  // 2^100 equations
}

TEST(Module, structures_are_limited) {
  for (size_t depth : {10, 200, 300, 100000}) {
    Bytes b;
    b.number(0).number(0).number(0).number(1);
    b.number(0).number(0).number(0).number(0).number(0);  // a jaxpr of nothing
    b.number(0).number(1).number(1).number(0);
    for (size_t i = 0; i < depth; ++i) b.number(5).number(1);
    EXPECT_EQ(accepted(b.number(4).module()), depth < 256) << depth;
  }
}

TEST(Module, a_long_program) {
  constexpr size_t n = 100000;
  auto session = make_session(), other = make_session();
  auto j = jv::make_ref<jv::Jaxpr>(*session);
  const jv::Primitive& sin = *jv::find_primitive("sin");
  jv::Aval aval = session->aval(jv::DType::f64, {});
  jv::Atom x = jv::Atom::var(j->add_input(aval));
  jv::ParamsRef none = session->params().make(sin.sig, {});
  for (size_t i = 0; i < n; ++i) x = jv::Atom::var(j->add_eqn(sin, {&x, 1}, *none, {&aval, 1}, 0));
  j->outs.push_back(x);
  auto module = jv::make_ref<jv::Module>(*session);
  module->main = j;
  std::string bytes = encode(*module);
  EXPECT_EQ(encode(*jv::decode(*other, bytes, jv::find_primitive)), bytes);
}

// Names of any bytes, which text quotes.
TEST(Module, names) {
  auto session = make_session();
  jv::ModuleRef module = read(*session, rule_text);
  for (const char* name : {"", " ", "a b", "a]b", "}", "({)}", "'", "it's", "a\nb", "x y=3", "7",
                           "é", "\x01\x7f", "\\x41", "a, b=c"}) {
    auto named = jv::make_ref<jv::Module>(*module);
    named->rules[0].name = name;
    std::string text = to_string(*named);
    jv::ModuleRef again = read(*session, text);
    EXPECT_EQ(again->rules[0].name, name) << text;
    EXPECT_EQ(to_string(*again), text);
    EXPECT_TRUE(accepted(encode(*named)));
  }
}

TEST(Module, bad_text) {
  struct Row {
    std::string_view from, to, message;
  };
  const Row rows[] = {
      {"rule=tenfold_0", "rule=other", "no rule is called 'other'"},
      {"n_out=1", "n_out=2", ""},
      {"n_out=1", "n_out=3", "fewer than the 3"},
      {"bwd_gives=[True]", "bwd_gives=[False]", "bwd has 1 results, expected 0"},
      {"bwd_gives=[True]", "bwd_gives=[]", "says of 0"},
      {"n_out=1", "n_out=1 form=by_name", "has functions"},
      {"n_out=1", "size=1", "a rule has no field size"},
      {"=[1.5 -0.0]", "=[1.5]", "expected 2 numbers, got 1"},
      {"=[1.5 -0.0]", "=[1.5 x]", "'x' is no number of f64"},
      {"a:f64[2]=[1.5 -0.0]", "a:opaque[2]=[0.0 0.0]", "cannot be written"},
      {"=[1.5 -0.0]", "", "have no numbers in its text"},
      {"results=[*]", "results=[*, *]", "2 results, the program has 2 and 1"},
      {"results=[*]", "results=[*", "expected"},
      {"'a': *, 'b': None}, *", "'b': *, 'a': None}, *", "not in order"},
      {"arguments=({'a': *, 'b': None},)", "arguments=(*, *)", "takes 2 leaves"},
  };
  for (const Row& row : rows) {
    auto session = make_session();
    std::string text(rule_text);
    size_t at = text.find(row.from);
    ASSERT_NE(at, text.npos) << row.from;
    text.replace(at, row.from.size(), row.to);
    try {
      read(*session, text);
      ADD_FAILURE() << row.to << " is accepted";
    } catch (const Error& e) {
      EXPECT_TRUE(e.is(jv::Code::parse)) << e.message;
      EXPECT_NE(e.message.find(row.message), std::string::npos) << e.message;
    }
  }
}

}  // namespace
}  // namespace inside
