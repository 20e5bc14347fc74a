// Laws of vectorization: vmap is a loop.
#include "support.hpp"
#include "transforms/batch.hpp"
#include "transforms/jvp.hpp"

namespace jv::laws {

static bool has_operands(const Instance& i) { return !i.row->operands.empty(); }
static bool has_few_operands(const Instance& i) {
  return has_operands(i) && i.row->operands.size() <= 3;
}
static bool has_operands_in_f64(const Instance& i) { return has_operands(i) && in_f64(i); }

class Batching : public Law {
 protected:
  // Example i of a value that is mapped.
  Tracer example(const Tracer& x, int64_t i) const {
    Ints start(x.shape().size(), 0), limit = x.shape();
    start[0] = i, limit[0] = i + 1;
    Tracer row = slice(x, start, limit, Ints(start.size(), 1));
    return reshape(row, Ints(x.shape().begin() + 1, x.shape().end()));
  }
  Tracers examples(Operands x, const std::vector<bool>& mapped, int64_t i) const {
    Tracers all;
    for (size_t k = 0; k < x.size(); ++k)
      all.push_back(x[k] && mapped[k] ? example(x[k], i) : x[k]);
    return all;
  }

  // g over `size` examples, of the operands that `mapped` marks, is a loop over them.
  template <class G>
  void expect_loop(G&& g, Operands x, const std::vector<bool>& mapped, int64_t size) {
    Small<Mapped, 4> in;
    for (size_t k = 0; k < x.size(); ++k) in.push_back({x[k], mapped[k]});
    Small<Mapped, 2> all = batch(cx_, g, in, size);
    for (size_t k = 0; k < all.size(); ++k)
      ASSERT_TRUE(!all[k].mapped || all[k].value.shape()[0] == size);
    for (int64_t i = 0; i < size; ++i) {
      Tracers alone = g(examples(x, mapped, i));
      ASSERT_EQ(alone.size(), all.size());
      for (size_t k = 0; k < alone.size(); ++k) {
        Tracer got = all[k].mapped ? example(all[k].value, i) : all[k].value;
        EXPECT_TRUE(row().exact_batch ? same_bits(got, alone[k]) : near(got, alone[k], tolerance()))
            << "example " << i << " of " << size << ", result " << k;
      }
    }
  }
  double tolerance() const { return 64 * spacing(GetParam().dtype, 1); }

  // Every way to map some operands.
  template <class F>
  void for_all_in_axes(F&& f) {
    size_t n = row().operands.size();
    for (size_t set = 1; set < size_t(1) << n; ++set) {
      std::vector<bool> mapped(n);
      for (size_t k = 0; k < n; ++k) mapped[k] = set >> k & 1;
      f(mapped);
    }
  }
};

TEST_P(Batching, is_a_loop) {
  for_all_in_axes([&](const std::vector<bool>& mapped) {
    for (int64_t size : {0, 1, 3}) {
      Tracers x = draw(cx_, row(), GetParam().dtype, 5, size, mapped);
      expect_loop([&](Operands in) { return f(in); }, x, mapped, size);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Laws, Batching, testing::ValuesIn(instances(has_operands)),
                         [](auto& info) { return name_of(info.param); });

class NestedBatching : public Batching {};
TEST_P(NestedBatching, is_a_loop_of_loops) {
  // The inner vmap maps the operands that the outer one does not, and the first one too.
  for_all_in_axes([&](const std::vector<bool>& outer) {
    std::vector<bool> inner = outer;
    inner.flip();
    inner[0] = true;
    Tracers x = draw(cx_, row(), GetParam().dtype, 6, 2, inner);
    for (size_t k = 0; k < x.size(); ++k)
      if (outer[k]) {
        Ints shape = x[k].shape(), places;
        shape.insert(0, 3);
        for (size_t i = 1; i < shape.size(); ++i) places.push_back(int64_t(i));
        x[k] = broadcast_in_dim(x[k], shape, places);
      }
    auto over_inner = [&](Operands in) {
      Small<Mapped, 4> pairs;
      for (size_t k = 0; k < in.size(); ++k) pairs.push_back({in[k], inner[k]});
      Tracers out;
      for (const Mapped& m : batch(
               cx_, [&](Operands y) { return f(y); }, pairs, 2))
        out.push_back(m.value);
      return out;
    };
    expect_loop(over_inner, x, outer, 3);
  });
}
INSTANTIATE_TEST_SUITE_P(Laws, NestedBatching, testing::ValuesIn(instances(has_few_operands)),
                         [](auto& info) { return name_of(info.param); });

class BatchedDerivatives : public Batching {};
TEST_P(BatchedDerivatives, are_a_loop) {
  for_all_in_axes([&](const std::vector<bool>& mapped) {
    Tracers x = draw(cx_, row(), DType::f64, 5, 3, mapped), dx = directions(x, 7), all = x;
    std::vector<bool> both = mapped;
    for (size_t k = 0; k < x.size(); ++k)
      if (dx[k]) all.push_back(dx[k]), both.push_back(mapped[k]);
    auto tangents = [&](Operands in) {
      Tracers point(in.subspan(0, x.size())), direction;
      size_t at = x.size();
      for (size_t k = 0; k < x.size(); ++k) direction.push_back(dx[k] ? in[at++] : Tracer());
      Dual d = jvp(
          cx_, [&](Operands y) { return f(y); }, point, direction);
      Tracers out;
      for (const Tracer& t : d.dy)
        if (t) out.push_back(t);
      return out;
    };
    expect_loop(tangents, all, both, 3);
  });
}
INSTANTIATE_TEST_SUITE_P(Laws, BatchedDerivatives,
                         testing::ValuesIn(instances(has_operands_in_f64)),
                         [](auto& info) { return name_of(info.param); });

}  // namespace jv::laws
