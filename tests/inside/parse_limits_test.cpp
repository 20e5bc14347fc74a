// The parser's limits: programs that are long, deep or only nearly right. Nothing crashes, and what
// is refused is refused with a message.
#include <gtest/gtest.h>

#include <cmath>
#include <ctime>

#include "core/error.hpp"
#include "parse_texts.hpp"
#include "support.hpp"

namespace inside {
namespace {

using jv::Error;

std::string repeated(std::string_view text, size_t n) {
  std::string all;
  for (size_t i = 0; i < n; ++i) all += text;
  return all;
}

// Variables have all names up to four letters: `in`, `inf`, `nan`, `let` and `jit` among them.
TEST(ParseLimits, a_long_program) {
  constexpr size_t n = 100000;
  auto session = make_session();
  auto j = jv::make_ref<jv::Jaxpr>(*session);
  const jv::Primitive &sin = *jv::find_primitive("sin"), &add = *jv::find_primitive("add");
  jv::Aval aval = session->aval(jv::DType::f64, {});
  jv::Atom x = jv::Atom::var(j->add_input(aval));
  jv::ParamsRef none = session->params().make(sin.sig, {}),
                both = session->params().make(add.sig, {});
  for (size_t i = 0; i < n; ++i) {
    jv::Atom operands[2] = {x, i % 3 ? x : j->add_literal(jv::scalar(*session, aval->dtype, NAN))};
    x = jv::Atom::var(i % 2 ? j->add_eqn(sin, {&x, 1}, *none, {&aval, 1}, 0)
                            : j->add_eqn(add, operands, *both, {&aval, 1}, 0));
  }
  j->outs.push_back(x);
  std::string text = to_string(*j);
  for (const char* name : {" in:f64", " inf:f64", "nan:f64[] =", " let:f64", " jit:f64"})
    EXPECT_NE(text.find(name), std::string::npos) << name;
  EXPECT_EQ(to_string(*parse(*session, text)), text);
}

std::string nested(size_t depth) {
  return repeated("{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=", depth) +
         "{ lambda ; a:f32[]. let  in (a,) }" + repeated("] a in (b,) }", depth);
}

// let f1 = { ... f0 ... } in let f2 = { ... f1 ... } in ...: `uses` of the one before in each.
std::string defined_in_order(size_t n, size_t uses, bool backwards) {
  std::string text;
  for (size_t k = 0; k < n; ++k) {
    size_t i = backwards ? n - 1 - k : k;
    text += jv::str("let f", i, " = { lambda ; a:f32[]. let ");
    for (size_t u = 0; i && u < uses; ++u)
      text += jv::str("b", u, ":f32[] = jit[name=f jaxpr=f", i - 1, "] a\n");
    text += "in (a,) } in\n";
  }
  return text +
         jv::str("{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=f", n - 1, "] a in (b,) }");
}

std::string refusal(jv::Session& session, const std::string& text) {
  try {
    parse(session, text);
  } catch (Error& e) {
    return e.message;
  }
  return "accepted";
}

TEST(ParseLimits, depth_and_size_are_limited) {
  auto session = make_session();
  EXPECT_EQ(refusal(*session, nested(200)), "accepted");
  EXPECT_EQ(refusal(*session, defined_in_order(200, 1, false)), "accepted");
  EXPECT_EQ(refusal(*session, defined_in_order(200, 1, true)), "accepted");
  for (const std::string& deep :
       {nested(300), nested(100000), defined_in_order(300, 1, false),
        defined_in_order(20000, 1, false), defined_in_order(20000, 1, true)})
    EXPECT_NE(refusal(*session, deep).find("deeper than 256"), std::string::npos)
        << refusal(*session, deep);
  EXPECT_NE(refusal(*session, defined_in_order(100, 2, false)).find("16777216 equations"),
            std::string::npos);
}

constexpr size_t very_many = 100000;
const std::string opening = "{ lambda ; a:f32[] b:f32[2]. let ", closing = " in (a,) }";

std::string call_with(const std::string& parameters) {
  return opening + "c:f32[] = jit[" + parameters + " jaxpr={ lambda ; a:f32[]. let in (a,) }] a" +
         closing;
}

std::string timely_refusal(jv::Session& session, const std::string& text) {
  std::clock_t start = std::clock();
  std::string message = refusal(session, text);
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 30) << text.substr(0, 200);
  return message;
}

std::string many_definitions() {
  std::string text;
  for (size_t i = 0; i < very_many; ++i)
    text += jv::str("let f", i, " = { lambda ; . let in () } in ");
  return text + opening + closing;
}

// What a parser could look at again and again, each in seconds of this program's own time.
TEST(ParseLimits, long_texts) {
  auto session = make_session();
  auto many = [](std::string_view piece) { return repeated(piece, very_many); };
  for (const std::string& text :
       {opening + many("_:f32[] = add nan:f32[] inf:f32[]\n") + closing,
        opening + repeated("_:f32[2] = mul a b\n", very_many / 20) + closing,
        opening + many(" = jit[name=f jaxpr={ lambda ; . let in () }]\n") + closing,
        "let f g = { lambda ; . let in () } in" + opening + many(" = jit[name=f jaxpr=f g]\n") +
            closing,
        opening + "_:f32[] = " + many("\n ") + "sin" + many(" \n") + "a" + closing,
        call_with("name=" + many("a b, c ")), call_with("name=f" + many(" inline=True")),
        call_with("name=f donated_invars=(" + many("False, ") + ")"), many_definitions()})
    EXPECT_EQ(timely_refusal(*session, text), "accepted") << text.substr(0, 200);
  for (const std::string& text :
       {"let f = " + many("{"), "let " + many("= "), call_with("name=" + many("(")),
        opening + "_:f32[] = " + many("s-"), opening + many("_:f32[] "),
        opening + "_:f32[] = sin " + many("1") + ":f32[]",
        opening + "_:f32[" + many("1,") + "] = add a a" + closing}) {
    std::string message = timely_refusal(*session, text);
    EXPECT_TRUE(message.starts_with("line 1, column ")) << message.substr(0, 200);
    EXPECT_LT(message.size(), 600u) << message.substr(0, 200);
  }
}

// Each is accepted with a program that typechecks and prints, or refused with a message.
void try_text(jv::Session& session, const std::string& text) {
  try {
    jv::JaxprRef j = parse(session, text);
    typecheck(*j);
    EXPECT_FALSE(to_string(*j).empty());
  } catch (Error& e) {
    ASSERT_TRUE(e.is(jv::Code::parse) || e.is(jv::Code::not_found) || e.is(jv::Code::shape) ||
                e.is(jv::Code::dtype))
        << e.code << " " << e.message << "\n"
        << text;
    ASSERT_TRUE(e.message.starts_with("line ")) << e.message;
    ASSERT_LT(e.message.size(), 600u);
  }
}

std::vector<std::string> texts_to_break() {
  std::vector<std::string> texts(std::begin(our_texts), std::end(our_texts));
  for (const JaxText& row : jax_texts) texts.push_back(row.jax);
  return texts;
}

TEST(ParseLimits, truncated_texts) {
  auto session = make_session();
  for (const std::string& text : texts_to_break())
    for (size_t n = 0; n < text.size(); ++n) try_text(*session, text.substr(0, n));
}

TEST(ParseLimits, texts_with_a_changed_byte) {
  auto session = make_session();
  for (std::string text : texts_to_break())
    for (size_t i = 0; i < text.size(); ++i) {
      char kept = text[i];
      for (char c : std::string_view("\0\x80 9a_-[](){},:=;.\n", 19)) {
        text[i] = c;
        try_text(*session, text);
      }
      text[i] = kept;
      try_text(*session, text.substr(0, i) + text.substr(i + 1));
      try_text(*session, text.substr(0, i) + kept + text.substr(i));
    }
}

}  // namespace
}  // namespace inside
