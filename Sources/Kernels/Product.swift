import CKernels

/// How one 32-bit word of a and one of b are multiplied and added.
protocol Product {
  /// Numbers a word holds along the contracted axis.
  static var pack: Int { get }
  static func add(_ c: V, _ a: V, _ b: V) -> V
}

/// A word is a float32.
enum Float32Product: Product {
  @inline(__always) static var pack: Int { 1 }
  @inline(__always) static func add(_ c: V, _ a: V, _ b: V) -> V { fma(c, a, b) }
}

#if ISA_AVX512
  /// A word is a pair of bfloat16; sums are float32 (vdpbf16ps).
  enum BrainProduct: Product {
    @inline(__always) static var pack: Int { 2 }
    @inline(__always) static func add(_ c: V, _ a: V, _ b: V) -> V {
      isa_dot_brain(c, unsafeBitCast(a, to: I.self), unsafeBitCast(b, to: I.self))
    }
  }

  /// Takes [low0 … low15, high0 … high15] to [low0, high0, low1, high1, …].
  @inline(__always) func zipIndex() -> I {
    let i = I(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    return i | ((i &+ 16) &<< 16)
  }
  @inline(__always) func brainZip(_ low: V, _ high: V, _ index: I) -> V {
    unsafeBitCast(isa_brain_zip(low, high, index), to: V.self)
  }
#endif
