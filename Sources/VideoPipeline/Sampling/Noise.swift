import Glibc

/// Standard normal noise that any program can make again: SplitMix64 by element, then Box and Muller's transform.
/// The value of an element depends on the seed and the element's position alone.
public enum Noise {
  /// SplitMix64's output `index` (from 0) for a seed.
  package static func bits(seed: UInt64, index: UInt64) -> UInt64 {
    var z = seed &+ (index &+ 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// √(−2 ln a) · cos 2πb in float64, rounded to float32, where a and b are the halves of the 64 bits, in (0, 1).
  static func value(seed: UInt64, index: UInt64) -> Float {
    let z = bits(seed: seed, index: index)
    let a = (Double(z >> 32) + 0.5) / 4_294_967_296
    let b = (Double(z & 0xFFFF_FFFF) + 0.5) / 4_294_967_296
    return Float((-2 * log(a)).squareRoot() * cos(2 * Double.pi * b))
  }

  /// `count` values, elements 0, 1, … in row-major order.
  public static func normal(count: Int, seed: UInt64) -> [Float] {
    (0..<max(0, count)).map { value(seed: seed, index: UInt64($0)) }
  }
}
