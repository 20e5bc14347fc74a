// Laws of evaluation: numbers, types, programs made of one equation, and what is refused.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "support.hpp"
#include "transforms/simplify.hpp"

namespace jv::laws {

// --- the registry --------------------------------------------------------------------------------

TEST(Registry, is_in_alphabetical_order_and_found_by_name) {
  std::string before;
  for (const Primitive* p : primitives()) {
    EXPECT_LT(before, p->name);
    EXPECT_EQ(find_primitive(p->name), p);
    before = p->name;
  }
  EXPECT_EQ(find_primitive("nothing"), nullptr);
  EXPECT_EQ(find_primitive(""), nullptr);
}

TEST(Registry, every_primitive_has_a_row) {
  std::set<std::string> known;
  for (const Row& row : rows()) {
    known.insert(row.primitive);
    EXPECT_TRUE(find_primitive(row.primitive)) << row.primitive;
  }
  for (const Primitive* p : primitives())
    EXPECT_TRUE(p->internal || known.count(p->name)) << p->name << " has no row";
}

TEST(Registry, every_derivative_that_exists_is_compared_with_differences) {
  std::set<std::string> compared;
  for (const Instance& i : instances(in_f64)) compared.insert(i.row->primitive);
  for (const Primitive* p : primitives())
    EXPECT_TRUE(p->internal || !p->differentiable || compared.count(p->name)) << p->name;
}

// --- numbers -------------------------------------------------------------------------------------

static Tensor tensor_of(const Tracer& t) {
  Numbers x = numbers_of(t);
  return {t.dtype(), {t.shape().begin(), t.shape().end()}, {x.begin(), x.end()}};
}

class Values : public Law {};
TEST_P(Values, are_those_of_the_reference) {
  Tracers x = operands(), y = f(x);
  std::vector<Tensor> in;
  for (const Tracer& t : x) in.push_back(tensor_of(t));
  Avals avals;
  for (const Tracer& t : y) avals.push_back(t.aval());
  std::vector<Tensor> expected = reference(p_, *params_, in, avals);
  ASSERT_EQ(expected.size(), y.size());
  for (size_t k = 0; k < y.size(); ++k) {
    Numbers got = numbers_of(y[k]);
    ASSERT_EQ(got.size(), expected[k].at.size());
    double largest = 0;
    for (long double want : expected[k].at) largest = std::max(largest, std::fabs(double(want)));
    for (size_t i = 0; i < got.size(); ++i) {
      double want = double(expected[k].at[i]);
      if (std::isnan(want) ? std::isnan(got[i]) : want == got[i]) continue;
      // Sums may cancel: products are as exact as the largest of them.
      double at = row().exact_batch ? want : largest;
      double allowed = (row().ulps + 0.5) * spacing(y[k].dtype(), at);
      EXPECT_LE(std::fabs(double(expected[k].at[i] - got[i])), allowed)
          << "element " << i << ": " << got[i];
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Laws, Values, testing::ValuesIn(instances(all)),
                         [](auto& info) { return name_of(info.param); });

// Equal elements give equal bits, however many there are and wherever they stand.
static bool is_elementwise(const Instance& i) {
  const auto& operands = i.row->operands;
  return i.dtype != DType::float0 && !operands.empty() && !std::strcmp(i.row->label, "vector") &&
         operands[0].shape == std::vector<int64_t>{5};
}
class Positions : public Law {};
TEST_P(Positions, do_not_matter) {
  Tracers one;
  for (const Tracer& t : operands())
    one.push_back(cx_.tracer(array_of(*session_, t.dtype(), {}, {numbers_of(t)[0]})));
  Tracers alone = f(one);
  for (int64_t n : {1, 7, 8, 9, 11, 64}) {
    const int64_t shape[] = {n};
    Tracers many;
    for (const Tracer& t : one)
      many.push_back(
          cx_.tracer(array_of(*session_, t.dtype(), shape, Numbers(size_t(n), numbers_of(t)[0]))));
    Tracers y = f(many);
    for (size_t k = 0; k < y.size(); ++k)
      EXPECT_TRUE(same_bits(y[k], broadcast_in_dim(alone[k], Ints{n}, {}))) << n << " elements";
  }
}
INSTANTIATE_TEST_SUITE_P(Laws, Positions, testing::ValuesIn(instances(is_elementwise)),
                         [](auto& info) { return name_of(info.param); });

// --- programs ------------------------------------------------------------------------------------

class Programs : public Law {
 protected:
  JaxprRef program(Operands x) {
    Avals in;
    for (const Tracer& t : x) in.push_back(t.aval());
    StageTrace::Closed closed = stage(cx_, in, [&](Operands args) {
      return args.empty() ? bind_at(cx_.top(), p_, args, params_) : f(args);
    });
    EXPECT_TRUE(closed.captured.empty());
    return closed.jaxpr;
  }
  Tracers run(const Jaxpr& j, Operands x) {
    Arrays in, out;
    for (const Tracer& t : x) in.push_back(t.array());
    session_->executor().run(cx_, j, in, out);
    Tracers y;
    for (const Array& a : out) y.push_back(cx_.tracer(a));
    return y;
  }
};

TEST_P(Programs, give_the_bits_of_eager_calls) {
  Tracers x = operands(), eager = f(x);
  JaxprRef j = program(x);
  typecheck(*j);
  JaxprRef simpler = simplify(j);
  typecheck(*simpler);
  for (const JaxprRef& any : {j, simpler}) {
    Tracers y = run(*any, x);
    ASSERT_EQ(y.size(), eager.size());
    for (size_t k = 0; k < y.size(); ++k) EXPECT_TRUE(same_bits(y[k], eager[k]));
  }
}

TEST_P(Programs, parse_as_they_print) {
  std::string text = to_string(*program(operands()));
  JaxprRef parsed = parse_jaxpr(*session_, text, find_primitive);
  EXPECT_EQ(to_string(*parsed), text);
  typecheck(*parsed);
}
INSTANTIATE_TEST_SUITE_P(Laws, Programs, testing::ValuesIn(instances(all)),
                         [](auto& info) { return name_of(info.param); });

// --- refusals ------------------------------------------------------------------------------------

class Refusals : public Law {
 protected:
  // The error names the primitive and is one line.
  void expect_refused(const Tracers& x, std::initializer_list<Code> codes, const char* why) {
    try {
      bind(p_, x, params_);
      ADD_FAILURE() << why << ": not refused";
    } catch (const Error& e) {
      EXPECT_TRUE(std::any_of(codes.begin(), codes.end(), [&](Code c) { return e.is(c); }))
          << why << ": code " << e.code << ", " << e.what();
      EXPECT_EQ(std::string(e.what()).rfind(p_.name, 0), 0u) << why << ": " << e.what();
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    }
  }
};
static bool fixes_dtypes(const Instance& i) {  // a single case may be of any type
  return !i.row->operands.empty() && std::string(i.row->label).rfind("one_", 0) != 0;
}
static bool fixes_shapes(const Instance& i) {  // operands of an outer product may be of any shape
  return fixes_dtypes(i) && i.row->operands.size() > 1 && std::string(i.row->label) != "outer";
}

TEST_P(Refusals, of_too_many_operands_and_other_dtypes) {
  Tracers x = operands();
  if (!p_.sig.variadic()) {
    Tracers more = x;
    more.push_back(x[0]);
    expect_refused(more, {Code::invalid_argument}, "an operand too many");
  }
  // Another dtype in place of one operand of several, which have to agree.
  for (size_t k = 1; k < x.size(); ++k) {
    Tracers mixed = x;
    DType other = x[k].dtype() == DType::i16 ? DType::i64 : DType::i16;
    mixed[k] = cx_.tracer(array_of(*session_, other, x[k].shape(), Numbers(x[k].aval()->size, 1)));
    expect_refused(mixed, {Code::dtype}, "another dtype");
  }
}
INSTANTIATE_TEST_SUITE_P(Laws, Refusals, testing::ValuesIn(instances(fixes_dtypes)),
                         [](auto& info) { return name_of(info.param); });

class RefusalsOfShapes : public Refusals {};
TEST_P(RefusalsOfShapes, that_do_not_go_together) {
  Tracers x = operands(), larger = x;
  Ints shape = x[1].shape();
  shape.insert(0, 2);
  Numbers ones(2 * x[1].aval()->size, 1);
  larger[1] = cx_.tracer(array_of(*session_, x[1].dtype(), shape, ones));
  expect_refused(larger, {Code::shape, Code::invalid_argument}, "another shape");
}
INSTANTIATE_TEST_SUITE_P(Laws, RefusalsOfShapes, testing::ValuesIn(instances(fixes_shapes)),
                         [](auto& info) { return name_of(info.param); });

}  // namespace jv::laws
