// Texts for the tests of the parser: of ours, as they are printed, and of JAX's with what we print
// for them.
#pragma once

namespace inside {

inline constexpr const char* our_texts[] = {
    "{ lambda ; . let\n  in () }",
    "{ lambda ; a:f32[]. let\n  in (a,) }",
    R"({ lambda ; a:f32[3] b:f32[]. let
    c:f32[3] = sin a
    d:f32[3] = broadcast_in_dim[broadcast_dimensions=() shape=(3,)] b
    e:f32[3] = mul c d
    f:f32[] = reduce_sum[axes=(0,)] e
  in (f, f, a) })",
    R"({ lambda ; a:f64[2,3] b:f64[3,4]. let
    c:f64[2,4] = dot_general[dimension_numbers=(([1], [0]), ([], [])) precision=None preferred_element_type=None] a b
    d:f64[4,2] = transpose[permutation=(1, 0)] c
    e:f64[8] = reshape[new_sizes=(8,)] d
    f:f64[4] = slice[limit_indices=(8,) start_indices=(0,) strides=(2,)] e
    g:f64[3] = slice[limit_indices=(4,) start_indices=(1,) strides=None] f
    h:f64[6] = pad[padding_config=((-1, 2, 1),)] g 0.0:f64[]
    i:f64[14] = concatenate[dimension=0] h e
    j:f32[14] = convert_element_type[new_dtype=float32] i
    k:u32[14] = bitcast_convert_type[new_dtype=uint32] j
    l:u32[1,14] = broadcast_in_dim[broadcast_dimensions=(1,) shape=(1, 14)] k
    m:u32[14] = squeeze[dimensions=(0,)] l
  in (m,) })",
    R"({ lambda ; a:f16[2]. let
    b:i32[2] = iota[dimension=0 dtype=int32 shape=(2,)]
    c:f16[2] = integer_pow[y=-3] a
    d:bool[2] = is_finite c
    e:bool[2] = not d
    f:f16[2] = select_n e a c
  in (f, b) })",
    R"({ lambda ; a:f32[2,2]. let
    b:f32[2,2] _:i32[2] c:i32[2] = lu a
    d:f32[2,2] = triangular_solve[conjugate_a=False left_side=True lower=True transpose_a=False unit_diagonal=True] b a
  in (d, c) })",
    R"({ lambda ; a:u32[2]. let
    b:u32[3] = random_bits[bit_width=32 shape=(3,)] a
  in (b,) })",
    R"({ lambda ; a:f32[]. let
    b:f32[] _:f32[] = jit[
      jaxpr={ lambda ; a:f32[] b:f32[]. let
          c:f32[] = jit[
            jaxpr={ lambda ; a:f32[]. let
                b:f32[] = sin a
              in (b,) }
            name=inner
          ] b
        in (c, a) }
      name=a name <with> blanks[0]
    ] a 2.0:f32[]
    jit[
      jaxpr={ lambda ; a:f32[]. let
        in () }
      name=nothing
    ] b
  in (b,) })",
    R"({ lambda ; . let
  in (1.0:f64[], -0.0:f64[], 0.1:f64[], 5e-324:f64[], 1.7976931348623157e+308:f64[], inf:f64[], -inf:f64[], nan:f64[]) })",
    R"({ lambda ; . let
  in (0.1:f32[], 1e-45:f32[], 3.4028235e+38:f32[], -inf:f32[], nan:f32[], 0.099975586:f16[], 65504.0:f16[], inf:f16[], 0.100097656:bf16[]) })",
    R"({ lambda ; . let
  in (True:bool[], False:bool[], -128:i8[], 127:i8[], 255:u8[], -32768:i16[], 65535:u16[]) })",
    R"({ lambda ; . let
  in (-2147483648:i32[], 4294967295:u32[], -9223372036854775808:i64[], 9223372036854775807:i64[], 18446744073709551615:u64[], 0.0:float0[]) })",
};

struct JaxText {
  const char *jax, *ours;
};
inline constexpr JaxText jax_texts[] = {
    // primitives that have another name here, or are none
    {"{ lambda ; a:f32[]. let b:f32[] = remat2[differentiated=False jaxpr={ lambda ; c:f32[]. let "
     "d:f32[] = sin c in (d,) } policy=None prevent_cse=True] a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = checkpoint[\n      differentiated=False\n      "
     "jaxpr={ "
     "lambda ; a:f32[]. let\n          b:f32[] = sin a\n        in (b,) }\n      policy=None\n     "
     " "
     "prevent_cse=True\n    ] a\n  in (b,) }"},
    {"{ lambda ; a:f32[]. let b:f32[] = closed_call[call_jaxpr={ lambda ; c:f32[]. let d:f32[] = "
     "sin c in (d,) }] a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = jit[\n      jaxpr={ lambda ; a:f32[]. let\n          "
     "b:f32[] = sin a\n        in (b,) }\n      name=closed_call\n    ] a\n  in (b,) }"},
    {"{ lambda ; a:i32[]. let b:i32[] = clamp 0:i32[] a 1:i32[] in (b,) }",
     "{ lambda ; a:i32[]. let\n    b:i32[] = max 0:i32[] a\n    c:i32[] = min b 1:i32[]\n  in (c,) "
     "}"},
    // parameters that change no number, or that the types say
    {"{ lambda ; a:f32[3]. let b:f32[] = reduce_sum[axes=(0,) out_sharding=None] a in (b,) }",
     "{ lambda ; a:f32[3]. let\n    b:f32[] = reduce_sum[axes=(0,)] a\n  in (b,) }"},
    {"{ lambda ; a:f32[3]. let b:f32[3] = exp[accuracy=None] a in (b,) }",
     "{ lambda ; a:f32[3]. let\n    b:f32[3] = exp a\n  in (b,) }"},
    {"{ lambda ; a:i32[]. let b:f32[] = convert_element_type[new_dtype=float32 sharding=None "
     "weak_type=True] a in (b,) }",
     "{ lambda ; a:i32[]. let\n    b:f32[] = convert_element_type[new_dtype=float32] a\n  in (b,) "
     "}"},
    {"{ lambda ; a:f32[]. let b:f32[2,3] = broadcast_in_dim a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[2,3] = broadcast_in_dim[broadcast_dimensions=() shape=(2, "
     "3)] a\n  in (b,) }"},
    {"{ lambda ; a:f32[3,3]. let\n b:f32[3,3,1] = broadcast_in_dim[broadcast_dimensions=(0, "
     "np.int64(1))] a\n in (b,) }",
     "{ lambda ; a:f32[3,3]. let\n    b:f32[3,3,1] = broadcast_in_dim[broadcast_dimensions=(0, 1) "
     "shape=(3, 3, 1)] a\n  in (b,) }"},
    {"{ lambda ; a:f32[4]. let b:f32[2] = slice[limit_indices=(3,) start_indices=(1,) "
     "strides=None] a in (b,) }",
     "{ lambda ; a:f32[4]. let\n    b:f32[2] = slice[limit_indices=(3,) start_indices=(1,) "
     "strides=None] a\n  in (b,) }"},
    {"{ lambda ; a:f32[3,2] b:f32[2,3]. let\n    c:f32[3,3] = dot_general[\n      "
     "dimension_numbers=(([1], [0]), ([], []))\n      precision=(Precision.HIGHEST, "
     "Precision.HIGHEST)\n    ] a\n      b\n  in (c,) }",
     "{ lambda ; a:f32[3,2] b:f32[2,3]. let\n    c:f32[3,3] = "
     "dot_general[dimension_numbers=(([1], [0]), ([], [])) precision=None "
     "preferred_element_type=None] a b\n  in (c,) }"},
    // numbers and axes of size 1 among arrays
    {"{ lambda ; a:f32[3]. let b:f32[3] = mul 2.0:f32[] a in (b,) }",
     "{ lambda ; a:f32[3]. let\n    b:f32[3] = broadcast_in_dim[broadcast_dimensions=() "
     "shape=(3,)] 2.0:f32[]\n    c:f32[3] = mul b a\n  in (c,) }"},
    {"{ lambda ; a:f32[3] b:f32[1]. let c:bool[3] = eq a b in (c,) }",
     "{ lambda ; a:f32[3] b:f32[1]. let\n    c:f32[3] = "
     "broadcast_in_dim[broadcast_dimensions=(0,) shape=(3,)] b\n    d:bool[3] = eq a c\n  in (d,) "
     "}"},
    {"{ lambda ; a:bool[] b:f32[2]. let c:f32[2] = select_n a b b in (c,) }",
     "{ lambda ; a:bool[] b:f32[2]. let\n    c:f32[2] = select_n a b b\n  in (c,) }"},
    {"{ lambda ; a:u32[] b:u32[2]. let c:u32[2] d:u32[2] = threefry2x32 a a b b in (c, d) }",
     "{ lambda ; a:u32[] b:u32[2]. let\n    c:u32[2] = broadcast_in_dim[broadcast_dimensions=() "
     "shape=(2,)] a\n    d:u32[2] = broadcast_in_dim[broadcast_dimensions=() shape=(2,)] a\n    "
     "e:u32[2] f:u32[2] = threefry2x32 c d b b\n  in (e, f) }"},
    // an element of float0
    {"{ lambda ; . let a:float0[3] = broadcast_in_dim (b'',):float0[] in (a, (b'',):float0[]) }",
     "{ lambda ; . let\n    a:float0[3] = broadcast_in_dim[broadcast_dimensions=() shape=(3,)] "
     "0.0:float0[]\n  in (a, 0.0:float0[]) }"},
    // other names
    {"{ lambda ; a:f32[]. let b:f32[] = add_any a a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = add a a\n  in (b,) }"},
    {"{ lambda ; a:f32[]. let b:f32[] = pjit[name=f donated_invars=(False,) inline=False "
     "jaxpr={ lambda ; a:f32[]. let b:f32[] = neg a in (b,) } keep_unused=False] a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = jit[\n      jaxpr={ lambda ; a:f32[]. let\n          "
     "b:f32[] = neg a\n        in (b,) }\n      name=f\n    ] a\n  in (b,) }"},
    // rules, of which a text has the names
    {"{ lambda ; a:f32[3]. let\n    b:f32[3] = custom_jvp_call[\n      name=relu\n      "
     "call_jaxpr={ lambda ; a:f32[3]. let b:f32[3] = neg a in (b,) }\n      jvp=<lambda>\n      "
     "symbolic_zeros=False\n    ] a\n  in (b,) }",
     "{ lambda ; a:f32[3]. let\n    b:f32[3] = custom_jvp_call[\n      call_jaxpr={ lambda ; "
     "a:f32[3]. let\n          b:f32[3] = neg a\n        in (b,) }\n      jvp=<lambda>\n      "
     "name=relu\n      num_consts=0\n    ] a\n  in (b,) }"},
    {"{ lambda ; a:f32[3]. let\n    b:f32[3] = custom_vjp_call[\n      name=h\n      "
     "bwd=<lambda>\n      call_jaxpr={ lambda ; f:f32[3]. let g:f32[3] = sin f in (g,) }\n      "
     "fwd=<lambda>\n      symbolic_zeros=False\n    ] a\n  in (b,) }",
     "{ lambda ; a:f32[3]. let\n    b:f32[3] = custom_vjp_call[\n      bwd=<lambda>\n      "
     "call_jaxpr={ lambda ; a:f32[3]. let\n          b:f32[3] = sin a\n        in (b,) }\n      "
     "fwd=<lambda>\n      name=h\n      num_consts=0\n      symbolic_zeros=False\n    ] a\n  in "
     "(b,) }"},
    // jaxprs printed once, before they are used or after it
    {"let g = { lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=f] a in (b,) } in\nlet f = { "
     "lambda ; a:f32[]. let b:f32[] = neg a in (b,) } in\n{ lambda ; a:f32[]. let b:f32[] = "
     "jit[name=<lambda> jaxpr=g] a in (b,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = jit[\n      jaxpr={ lambda ; a:f32[]. let\n          "
     "b:f32[] = jit[\n            jaxpr={ lambda ; a:f32[]. let\n                b:f32[] = neg "
     "a\n              in (b,) }\n            name=f\n          ] a\n        in (b,) }\n      "
     "name=<lambda>\n    ] a\n  in (b,) }"},
    // names of any signs
    {"let unnamed function = { lambda ; a:f32[]. let b:f32[] = neg a in (b,) } in\n{ lambda ; "
     "c:f32[]. let\n    d:f32[] = jit[\n      name=<unnamed function>\n      jaxpr=unnamed "
     "function\n    ] c\n  in (d,) }",
     "{ lambda ; a:f32[]. let\n    b:f32[] = jit[\n      jaxpr={ lambda ; a:f32[]. let\n          "
     "b:f32[] = neg a\n        in (b,) }\n      name=<unnamed function>\n    ] a\n  in (b,) }"},
    {"let my-fn.1 [x=2] = { lambda ; . let in () } in\nlet my = { lambda ; . let in () } in\nlet "
     "in "
     "= { lambda ; . let in () } in\n{ lambda ; . let\n    jit[name=in jaxpr=in]\n    "
     "jit[name=f jaxpr=my-fn.1 [x=2]]\n  in () }",
     "{ lambda ; . let\n    jit[\n      jaxpr={ lambda ; . let\n        in () }\n      "
     "name=in\n    ]\n    jit[\n      jaxpr={ lambda ; . let\n        in () }\n      "
     "name=f\n    ]\n  in () }"},
    // results that the caller drops
    {"{ lambda ; a:f32[]. let _:f32[] _:f32[] b:f32[] = jit[name=f jaxpr={ lambda ; a:f32[]. let "
     "_:f32[] = sin a _:f32[] = cos a in (_, _, a) }] a in (b,) }",
     "{ lambda ; a:f32[]. let\n    _:f32[] _:f32[] b:f32[] = jit[\n      jaxpr={ lambda ; "
     "a:f32[]. let\n          b:f32[] = sin a\n          c:f32[] = cos a\n        in (b, c, a) "
     "}\n      name=f\n    ] a\n  in (b,) }"},
    // equations on one line, and variables called as a keyword or a number
    {"{ lambda ; a:f32[]. let b:f32[] = sin a; c:f32[] = mul b inf:f32[]; d:f32[] = neg c in (d,) "
     "}",
     "{ lambda ; a:f32[]. let\n    b:f32[] = sin a\n    c:f32[] = mul b inf:f32[]\n    d:f32[] = "
     "neg c\n  in (d,) }"},
    {"{lambda;in:f32[] let:f32[].let\nnan:f32[]=add in let\ninf:f32[]=neg nan\nc:f32[]=add "
     "inf\nnan:f32[]\nlambda:f32[]=add nan in in(lambda,nan,c,nan:f32[])}",
     "{ lambda ; a:f32[] b:f32[]. let\n    c:f32[] = add a b\n    d:f32[] = neg c\n    e:f32[] = "
     "add d nan:f32[]\n    f:f32[] = add c a\n  in (f, c, e, nan:f32[]) }"},
};

}  // namespace inside
