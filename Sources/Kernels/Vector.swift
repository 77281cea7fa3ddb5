// One source for every instruction set: a vector is as wide as the module's registers. Everything here is concrete and
// inlined, since a generic function left over would be emitted under one name by all three modules and linked once.
import CKernels

#if ISA_AVX512
  typealias V = SIMD16<Float>
  typealias I = SIMD16<Int32>
#elseif ISA_AVX2
  typealias V = SIMD8<Float>
  typealias I = SIMD8<Int32>
#else
  typealias V = SIMD4<Float>
  typealias I = SIMD4<Int32>
#endif
typealias Floats = UnsafePointer<Float>
typealias MutableFloats = UnsafeMutablePointer<Float>

/// Floats of a vector.
@inline(__always) var lanes: Int { Int(ISA_LANES) }
/// Queries of a panel.
@inline(__always) var panelQueries: Int { 64 }

@inline(__always) func splat(_ x: Float) -> V { V(repeating: x) }
@inline(__always) func load(_ p: Floats) -> V { UnsafeRawPointer(p).loadUnaligned(as: V.self) }
@inline(__always) func load(_ p: MutableFloats) -> V { UnsafeRawPointer(p).loadUnaligned(as: V.self) }
@inline(__always) func store(_ p: MutableFloats, _ v: V) { UnsafeMutableRawPointer(p).storeBytes(of: v, as: V.self) }

/// c + a·b: one instruction where there is one. Without, `addingProduct` would call `fmaf` for each lane.
@inline(__always) func fma(_ c: V, _ a: V, _ b: V) -> V {
  #if ISA_BASELINE
    c + a * b
  #else
    c.addingProduct(a, b)
  #endif
}

/// 2^t for t ≤ 100 or so: minimax of degree 5 on [0, 1), 1.4e-7 relative; −∞ gives 0.
@inline(__always) func exp2(_ x: V) -> V {
  let t = isa_exponent(x)
  let f = isa_fraction(t)
  var p = fma(splat(0.00898933969438076), splat(0.0018775766948238015), f)
  p = fma(splat(0.05582631751894951), p, f)
  p = fma(splat(0.24015361070632935), p, f)
  p = fma(splat(0.6931530833244324), p, f)
  p = fma(splat(0.9999999403953552), p, f)
  return isa_scale(p, t)
}

/// The same of degree 3: 7.5e-5 relative, far below bf16's 2^−9.
@inline(__always) func exp2Short(_ x: V) -> V {
  let t = isa_exponent(x)
  let f = isa_fraction(t)
  var p = fma(splat(0.22606715559959412), splat(0.07802452147006989), f)
  p = fma(splat(0.6958335638046265), p, f)
  p = fma(splat(0.9999251961708069), p, f)
  return isa_scale(p, t)
}

/// log2 of x ≥ 1: the fraction in [√½, √2) by the series of artanh, 3e-8 absolute.
@inline(__always) func log2(_ x: V) -> V {
  let bits = unsafeBitCast(x, to: I.self)
  let exponent = (bits &- I(repeating: 0x3f35_04f3)) &>> 23
  let m = unsafeBitCast(bits &- (exponent &<< 23), to: V.self)
  let t = (m - splat(1)) / (m + splat(1))
  let square = t * t
  var p = fma(splat(2 / 7), splat(2 / 9), square)
  p = fma(splat(2 / 5), p, square)
  p = fma(splat(2 / 3), p, square)
  p = fma(splat(2), p, square)
  // A small integer in the mantissa of 1.5·2^23.
  let whole = unsafeBitCast(exponent &+ I(repeating: 0x4b40_0000), to: V.self) - splat(12_582_912)
  return fma(whole, t * p, splat(1.4426950408889634))
}

/// 1 − e^(−h) for h ≥ 0. Below a half the difference would cancel: Taylor's series, 5e-9 relative at its end.
@inline(__always) func lost(_ h: V) -> V {
  var p = fma(splat(-1 / 5040), splat(1 / 40320), -h)
  p = fma(splat(1 / 720), -h, splat(1 / 5040))
  p = fma(splat(1 / 120), -h, p)
  p = fma(splat(1 / 24), -h, p)
  p = fma(splat(1 / 6), -h, p)
  p = fma(splat(1 / 2), -h, p)
  p = fma(splat(1), -h, p)
  let series = h * p
  let direct = splat(1) - exp2(h * splat(-1.4426950408889634))
  return direct.replacing(with: series, where: h .< splat(0.5))
}

/// Interleaves two half vectors.
@inline(__always) func zip(_ a: V, _ b: V, high: Bool) -> V {
  var r = V(repeating: 0)
  r.evenHalf = high ? a.highHalf : a.lowHalf
  r.oddHalf = high ? b.highHalf : b.lowHalf
  return r
}

/// lanes × lanes words transposed: log2(lanes) rounds of perfect shuffles of row i with row i + lanes/2. `t` is scratch
/// of 2·lanes² words.
@inline(__always)
func transpose(_ source: Floats, _ sourceStride: Int, _ target: MutableFloats, _ targetStride: Int, _ t: MutableFloats)
{
  let half = lanes / 2
  @inline(__always) func round(_ a: Floats, _ la: Int, _ b: MutableFloats, _ lb: Int) {
    for i in 0..<half {
      let x = load(a + i &* la)
      let y = load(a + (i &+ half) &* la)
      store(b + (2 &* i) &* lb, zip(x, y, high: false))
      store(b + (2 &* i &+ 1) &* lb, zip(x, y, high: true))
    }
  }
  let u = t + lanes &* lanes
  #if ISA_AVX512
    round(source, sourceStride, t, lanes)
    round(t, lanes, u, lanes)
    round(u, lanes, t, lanes)
    round(t, lanes, target, targetStride)
  #elseif ISA_AVX2
    round(source, sourceStride, t, lanes)
    round(t, lanes, u, lanes)
    round(u, lanes, target, targetStride)
  #else
    round(source, sourceStride, t, lanes)
    round(t, lanes, target, targetStride)
  #endif
}
