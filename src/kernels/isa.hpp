// The instruction set that a source of the kernels is being compiled for.
//
// The same sources are built once with the compiler's baseline and once with -mavx2 -mfma, into one
// library. Everything they define lives in a namespace of its own, JV_ISA: if both builds
// instantiated a template of the same name, the linker would keep one of the two, and a machine
// without AVX2 might run the wrong one. For the same reason no inline function of the standard
// library that touches floats is called from these sources: __builtin_bit_cast, not std::bit_cast.
#pragma once

#ifdef JV_ISA_AVX2  // defined by the build, for sources compiled with -mavx2 -mfma
#define JV_ISA avx2
#else
#define JV_ISA portable
#endif
