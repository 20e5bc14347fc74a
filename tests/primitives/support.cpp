#include "support.hpp"

#include <cmath>
#include <cstring>
#include <random>
#include <sstream>

namespace jv::laws {

std::string name_of(const Instance& i) {
  std::string name = i.row->primitive;
  if (*i.row->label) name += "_" + std::string(i.row->label);
  return name + "_" + std::string(jv::name_of(i.dtype));
}

const Primitive& primitive_of(const Instance& i) { return *find_primitive(i.row->primitive); }

std::vector<Instance> instances(bool (*wanted)(const Instance&)) {
  std::vector<Instance> all;
  for (const Row& row : rows()) {
    std::istringstream dtypes(row.dtypes);
    for (std::string name; dtypes >> name;)
      for (const DTypeInfo& info : dtype_table) {
        Instance i{&row, info.dtype};
        if (info.name == name && find_primitive(row.primitive) && wanted(i)) all.push_back(i);
      }
  }
  return all;
}

Law::Law()
    : session_(make_ref<Session>(MemoryHooks{}, std::make_unique<ReferenceExecutor>())),
      cx_(*session_),
      p_(primitive_of(GetParam())),
      params_(parse_params(*session_, p_, row().params, types())) {}

Avals Law::types() const {
  Avals all;
  for (const Tracer& t : operands()) all.push_back(t.aval());
  return all;
}

double Law::precision() const {
  double least = spacing(DType::f64, 1);
  Tracers x = operands();
  for (const Tracers& values : {x, f(x)})
    for (const Tracer& t : values) least = std::max(least, spacing(t.dtype(), 1));
  return least;
}

Tracers Law::f(Operands x) const {
  return x.empty() ? bind_at(cx_.eval(), p_, x, params_) : bind(p_, x, params_);
}

Tracers Law::operands(uint32_t seed) const { return draw(cx_, row(), GetParam().dtype, seed); }

Tracers Law::directions(Operands x, uint32_t seed) const {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  Tracers all;
  for (const Tracer& t : x) {
    all.push_back({});
    if (!is_float(t.dtype())) continue;
    Numbers direction(t.aval()->size);
    for (double& d : direction) d = uniform(random);
    all.back() = cx_.tracer(array_of(*session_, t.dtype(), t.shape(), direction));
  }
  return all;
}

// --- operands ------------------------------------------------------------------------------------

static DType dtype_for(Domain domain, DType dtype) {
  return domain == Domain::mask ? DType::boolean : domain == Domain::index ? DType::i32 : dtype;
}

static double draw_one(Domain domain, DType dtype, std::mt19937& random) {
  auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  auto whole = [&](int low, int high) {
    return double(std::uniform_int_distribution<int>(low, high)(random));
  };
  bool real = is_float(dtype), negative = !is_unsigned(dtype) && dtype != DType::boolean;
  switch (domain) {
    case Domain::wide: return real ? between(-3, 3) : whole(negative ? -7 : 0, 7);
    case Domain::positive: return real ? between(0.3, 3) : whole(1, 7);
    case Domain::unit: return between(-0.9, 0.9);
    case Domain::nonzero: {
      double size = real ? between(0.5, 3) : whole(1, 7);
      return negative && whole(0, 1) ? -size : size;
    }
    case Domain::few: return whole(negative ? -1 : 0, 2);
    case Domain::exponents: return real ? between(-2, 2) : whole(0, 4);
    case Domain::shifts: return whole(0, 9);
    case Domain::bits: return double(std::uniform_int_distribution<int64_t>(0, INT32_MAX)(random));
    case Domain::index: return whole(-1, 3);
    case Domain::mask: return whole(0, 1);
    default: return between(-1, 1);
  }
}

// Diagonally dominant, so that neither a solve nor a choice of pivots is near a cliff.
static void condition(Numbers& x, std::span<const int64_t> shape) {
  int64_t rows = shape[shape.size() - 2], columns = shape[shape.size() - 1];
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t row = int64_t(i) / columns % rows, column = int64_t(i) % columns;
    if (column == (row + 1) % rows) x[i] += 4;  // rows have to be exchanged
    else if (row == column) x[i] += 2;
  }
}

Tracers draw(Context& cx, const Row& row, DType dtype, uint32_t seed, int64_t batch,
             const std::vector<bool>& batched) {
  std::mt19937 random(seed);
  Tracers all;
  for (size_t k = 0; k < row.operands.size(); ++k) {
    const Operand& o = row.operands[k];
    DType own = dtype_for(o.domain, dtype);
    std::vector<int64_t> shape = o.shape;
    if (batch >= 0 && batched[k]) shape.insert(shape.begin(), batch);
    Aval aval = cx.session().aval(own, shape);
    Numbers x(aval->size);
    for (double& e : x) e = draw_one(o.domain, own, random);
    if (o.domain == Domain::matrix) condition(x, shape);
    all.push_back(cx.tracer(array_of(cx.session(), own, shape, x)));
  }
  return all;
}

template <class T>
static T number_as(double x) {
  if constexpr (std::is_same_v<T, bool>) return x != 0 && std::fmod(x, 2) != 0;
  else if constexpr (std::is_integral_v<T>) return T(int64_t(x));
  else if constexpr (std::is_floating_point_v<T>) return T(x);
  else return T(float(x));
}

Array array_of(Session& session, DType dtype, std::span<const int64_t> shape, const Numbers& x) {
  Array a = Array::allocate(session, session.aval(dtype, shape));
  if (dtype == DType::float0) return a;
  visit_dtype(dtype, [&]<class T>(Type<T>) {
    for (size_t i = 0; i < x.size(); ++i) a.mutable_data<T>()[i] = number_as<T>(x[i]);
  });
  return a;
}

Numbers numbers_of(const Array& a) {
  Numbers x;
  for (size_t i = 0; i < a.aval()->size; ++i) x.push_back(element(a, i));
  return x;
}
Numbers numbers_of(const Tracer& t) { return numbers_of(t.array()); }

// --- comparison ----------------------------------------------------------------------------------

testing::AssertionResult same_bits(const Tracer& a, const Tracer& b) {
  if (a.aval() != b.aval())
    return testing::AssertionFailure() << to_string(a.aval()) << " and " << to_string(b.aval());
  size_t size = size_of(a.dtype());
  for (size_t i = 0; i < a.aval()->size; ++i) {
    double x = element(a.array(), i), y = element(b.array(), i);
    bool same =
        !std::memcmp(a.array().data<char>() + i * size, b.array().data<char>() + i * size, size);
    if (!same && !(std::isnan(x) && std::isnan(y)))
      return testing::AssertionFailure() << "element " << i << ": " << x << " and " << y;
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult near(const Tracer& a, const Tracer& b, double tolerance) {
  if (a.aval() != b.aval())
    return testing::AssertionFailure() << to_string(a.aval()) << " and " << to_string(b.aval());
  Numbers x = numbers_of(a), y = numbers_of(b);
  double scale = 1;
  for (double e : y) scale = std::max(scale, std::fabs(e));
  for (size_t i = 0; i < x.size(); ++i)
    if (!(std::fabs(x[i] - y[i]) <= tolerance * scale))
      return testing::AssertionFailure() << "element " << i << ": " << x[i] << " and " << y[i];
  return testing::AssertionSuccess();
}

double spacing(DType dtype, double x) {
  if (!is_float(dtype)) return 0;
  int digits = dtype == DType::f64 ? 53 : dtype == DType::f32 ? 24 : dtype == DType::f16 ? 11 : 8;
  int least = dtype == DType::f64 ? -1022 : dtype == DType::f16 ? -14 : -126;
  int exponent = x == 0 ? least : std::max(std::ilogb(x), least);
  return std::ldexp(1.0, exponent - digits + 1);
}

double inner_product(const Tracer& a, const Tracer& b) {
  Numbers x = numbers_of(a), y = numbers_of(b);
  long double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += static_cast<long double>(x[i]) * y[i];
  return double(sum);
}

}  // namespace jv::laws
