// Golden text: what each transformation makes of a jaxpr, as printed. The same under every
// compiler.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "api/transform.hpp"
#include "control/flow.hpp"
#include "golden_text_file.hpp"
#include "golden_text_programs.hpp"
#include "support.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace inside {
namespace {

using jv::Avals;
using jv::Context;
using jv::Flags;
using jv::JaxprRef;
using jv::Operands;
using jv::pick;
using jv::present;
using jv::spread;
using jv::Tracer;
using jv::Tracers;
using jv::View;

// ---- words

std::string section(const std::string& label, const jv::Jaxpr& j) {
  std::istringstream lines(to_string(j));
  std::string text = "=> " + label + "\n";
  for (std::string line; std::getline(lines, line);) text += "| " + line + "\n";
  return text;
}

// What was captured are constants: arrays that were made while the transformation ran.
std::string section(const std::string& label, const jv::StageTrace::Closed& closed) {
  auto j = jv::make_ref<jv::Jaxpr>(*closed.jaxpr);
  for (const Tracer& t : closed.captured) j->consts.push_back(t.array());
  auto inputs = j->invars.begin() + ptrdiff_t(j->consts.size());
  j->constvars.assign(j->invars.begin(), inputs);
  j->invars.erase(j->invars.begin(), inputs);
  return section(label, *j);
}

// ", mapped: 0 2": the places of those that are so.
std::string places(const char* what, const Flags& flags) {
  std::string text = std::string(", ") + what + ":";
  for (size_t i = 0; i < flags.size(); ++i)
    if (flags[i]) text += " " + std::to_string(i);
  return text;
}

Flags chosen(const GoldenCase& c, const char* option, const Avals& avals, bool floats_only) {
  Flags flags;
  for (size_t i = 0; i < avals.size(); ++i)
    flags.push_back(c.option(option, i, !floats_only || avals[i]->is_float()));
  return flags;
}

Avals both(Avals a, const Avals& b) {
  a.append(b);
  return a;
}

// ---- the transformations

using Transform = std::string (*)(View& view, const JaxprRef& j, const GoldenCase& c);

// (x, dx) -> (y, dy). `of`: inputs with a tangent.
std::string jvp_text(View& view, const JaxprRef& j, const GoldenCase& c) {
  Context& cx = view.root();
  Avals in = in_avals(*j);
  Flags of = chosen(c, "of", in, true), found;
  auto closed = stage(cx, both(in, pick(in, of)), [&](Operands a) {
    jv::Dual d =
        jvp(cx, jv::Interpret{cx, *j}, a.subspan(0, in.size()), spread(of, a.subspan(in.size())));
    found = jv::nonzero(d.dy);
    Tracers outs = d.y;
    outs.append(present(d.dy));
    return outs;
  });
  return section("jvp" + places("tangents", found), closed);
}

// x -> (y, residuals); (residuals, dx) -> dy.
std::string linearize_text(View& view, const JaxprRef& j, const GoldenCase& c) {
  Context& cx = view.root();
  Avals in = in_avals(*j);
  Flags of = chosen(c, "of", in, true);
  jv::Linearized l;
  auto closed = stage(cx, in, [&](Operands a) {
    l = linearize(cx, jv::Interpret{cx, *j}, a, of);
    Tracers outs = l.out;
    outs.append(l.residuals);
    return outs;
  });
  return section("primal", closed) +
         section("linear" + places("tangents", l.has_tangent), *l.linear);
}

// Linear in the inputs that `known` does not name: (known, ct) -> cotangents.
std::string transpose_text(View& view, const JaxprRef& j, const GoldenCase& c) {
  Context& cx = view.root();
  Avals in = in_avals(*j), out = out_avals(*j);
  Flags known, found;
  for (size_t i = 0; i < in.size(); ++i) known.push_back(c.option("known", i, false));
  size_t n_known = pick(in, known).size();
  check_transposable(*j, known);
  auto closed = stage(cx, both(pick(in, known), out), [&](Operands a) {
    Tracers back = transpose(cx, *j, spread(known, a), a.subspan(n_known));
    found = jv::nonzero(back);
    return present(back);
  });
  return section("transpose" + places("cotangents", found), closed);
}

// Five examples. `of`: the inputs that are mapped.
std::string batch_text(View& view, const JaxprRef& j, const GoldenCase& c) {
  constexpr int64_t size = 5;
  Context& cx = view.root();
  Avals in = in_avals(*j);
  Flags of = chosen(c, "of", in, false), mapped;
  for (size_t i = 0; i < in.size(); ++i) {
    jv::Shape shape = in[i]->shape;
    if (of[i]) shape.insert(0, size);
    in[i] = cx.session().aval(in[i]->dtype, shape);
  }
  auto closed = stage(cx, in, [&](Operands a) {
    jv::Small<jv::Mapped, 4> args;
    for (size_t i = 0; i < a.size(); ++i) args.push_back({a[i], of[i]});
    Tracers outs;
    for (const jv::Mapped& m : batch(cx, jv::Interpret{cx, *j}, args, size))
      outs.push_back(m.value), mapped.push_back(m.mapped);
    return outs;
  });
  return section("batch" + places("mapped", mapped), closed);
}

std::string simplify_text(View&, const JaxprRef& j, const GoldenCase&) {
  return section("simplify", *simplify(j));
}

// A transformation of the function that the jaxpr is, as the C interface makes it. `of`: argnums.
template <class F>
std::string function_text(View& view, const JaxprRef& j, const char* label, F&& transformed) {
  jv::Session& session = view.session();
  auto typed = jv::make_ref<jv::TypedJaxpr>();
  typed->jaxpr = j;
  typed->in.assign(j->invars.size(), session.trees().leaf());
  typed->out = session.trees().leaf();
  jv::Values specs;
  for (jv::Aval aval : in_avals(*j)) specs.push_back(spec_value(session, aval));
  jv::FunctionRef f = transformed(typed_jaxpr_function(typed, session), specs);
  return section(label, *make_jaxpr(view, *f, specs)->jaxpr);
}

jv::GradOptions grad_options(const GoldenCase& c) {
  auto it = c.options.find("of");
  if (it == c.options.end()) return {};
  return {{it->second.begin(), it->second.end()}};
}

std::string jit_grad_text(View& view, const JaxprRef& j, const GoldenCase& c) {
  return function_text(view, j, "jit(grad)",
                       [&](auto f, auto&) { return jit(grad(f, grad_options(c))); });
}

std::string vmap_grad_text(View& view, const JaxprRef& j, const GoldenCase& c) {
  return function_text(view, j, "vmap(grad)", [&](auto f, auto& specs) {
    for (size_t i = 0; i < specs.size(); ++i) {
      jv::Shape shape = specs[i]->aval->shape;
      shape.insert(0, 5);
      specs[i] = spec_value(view.session(), view.session().aval(specs[i]->aval->dtype, shape));
    }
    return vmap(grad(f, grad_options(c)), {});
  });
}

std::string hessian_text(View& view, const JaxprRef& j, const GoldenCase& c) {
  return function_text(view, j, "hessian",
                       [&](auto f, auto&) { return hessian(f, grad_options(c)); });
}

const struct {
  const char* file;
  Transform transform;
} transforms[] = {
    {"jvp", jvp_text},
    {"linearize", linearize_text},
    {"transpose", transpose_text},
    {"batch", batch_text},
    {"simplify", simplify_text},
    {"jit_grad", jit_grad_text},
    {"vmap_grad", vmap_grad_text},
    {"hessian", hessian_text},
};

// ---- the tests

std::string path_of(const std::string& file) { return TESTS_DIR "/golden/text/" + file + ".txt"; }

JaxprRef source_of(View& view, const GoldenCase& c) {
  if (c.program.empty()) return parse(view.session(), c.source);
  for (bool custom_jvp : {false, true})
    for (bool summed : {false, true})
      if (c.program ==
          std::string(custom_jvp ? "custom_jvp" : "custom_vjp") + (summed ? "_sum" : ""))
        return softplus_program(view.root(), custom_jvp, summed);
  throw std::runtime_error("no program is called " + c.program);
}

std::string result_of(const GoldenCase& c, Transform transform) {
  View view(jv::make_ref<jv::Root>(*make_session(), 0));
  try {
    JaxprRef j = source_of(view, c);
    std::string source = c.program.empty() ? "" : section("source", *j);
    return source + transform(view, j, c);
  } catch (jv::Error& e) {
    return "=> error " + e.message + "\n";
  }
}

class GoldenText : public testing::TestWithParam<size_t> {};

TEST_P(GoldenText, is_as_written) {
  const auto& [name, transform] = transforms[GetParam()];
  GoldenFile file(path_of(name));
  std::vector<std::string> results;
  for (const GoldenCase& c : file.cases) results.push_back(result_of(c, transform));
  if (std::getenv("JAXVJP_UPDATE_GOLDEN")) return file.write(results);
  EXPECT_FALSE(results.empty());
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(results[i], file.cases[i].expected) << name << ": " << file.cases[i].id;
}
INSTANTIATE_TEST_SUITE_P(transformations, GoldenText,
                         testing::Range<size_t>(0, std::size(transforms)),
                         [](auto& info) { return std::string(transforms[info.param].file); });

// What is written there is a jaxpr that the parser reads and the printer writes again, unless it
// holds rules or constants.
TEST(GoldenTexts, come_back_from_the_parser) {
  auto session = make_session();
  size_t n = 0;
  for (const auto& t : transforms)
    for (const GoldenCase& c : GoldenFile(path_of(t.file)).cases) {
      std::istringstream lines(c.expected + "=>");
      std::string text;
      for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("| ")) text += (text.empty() ? "" : "\n") + line.substr(2);
        if (!line.starts_with("=>") || text.empty()) continue;
        bool has_rule = text.find("custom_lin[") != text.npos;
        bool has_constants = !text.starts_with("{ lambda ;");
        if (!has_rule && !has_constants) {
          EXPECT_EQ(to_string(*parse(*session, text)), text) << t.file << ": " << c.id;
          ++n;
        }
        text.clear();
      }
    }
  EXPECT_GT(n, 200u);
}

void add_names(const jv::Jaxpr& j, std::set<std::string>& names) {
  for (const jv::Eqn& e : j.eqns) {
    names.insert(e.primitive->name);
    for_sub_jaxprs(*e.params, [&](const jv::Jaxpr& sub) { add_names(sub, names); });
  }
}

// A primitive without a row fails.
TEST(GoldenTexts, have_every_primitive) {
  for (const char* file : {"jvp", "linearize", "transpose", "batch"}) {
    std::set<std::string> names;
    View view(jv::make_ref<jv::Root>(*make_session(), 0));
    for (const GoldenCase& c : GoldenFile(path_of(file)).cases)
      add_names(*source_of(view, c), names);
    for (const jv::Primitive* p : jv::primitives()) {
      bool needed = std::string(file) != "transpose" || (p->sig.any_linear() && !p->internal);
      if (needed && p->can_be_said()) {
        EXPECT_TRUE(names.count(p->name)) << file << ": no program has " << p->name;
      }
    }
  }
}

}  // namespace
}  // namespace inside
