import Foundation

/// A case of the parity folder: how its inputs are made, and what its README gives for float64 against the authors.
struct ParityCase {
  let name: String
  let target, context, heads, headSize: Int
  let amplitude: Double
  let seed: UInt64
  let smooth: Bool
  /// Differences of float64 from the authors' choices: kept blocks, routes, listed blocks with the others forced.
  let kept, routes, listed: Int
  /// Relative L2 of the authors' output from float64 with the same choices, all rows.
  let output: Double

  var tokens: Int { target + context }

  static let all = [
    ParityCase(1024, 1024, 64, 1.0, 101, "n2048_d64", 0, 0, 1, 1.96e-3),
    ParityCase(1024, 1024, 128, 0.84, 102, "n2048_d128", 0, 0, 0, 1.93e-3),
    ParityCase(2048, 2048, 64, 1.0, 103, "n4096_d64", 0, 2, 1, 1.86e-3),
    ParityCase(2048, 2048, 128, 0.84, 104, "n4096_d128", 0, 0, 3, 1.85e-3),
    ParityCase(4608, 4608, 64, 1.0, 105, "n9216_d64", 1, 4, 3, 1.80e-3),
    ParityCase(4608, 4608, 128, 0.84, 106, "n9216_d128", 0, 2, 2, 1.79e-3),
    ParityCase(2048, 2048, 64, 1.0, 107, "iid4096_d64", 3, 30, 0, 3.03e-3, smooth: false),
    ParityCase(2048, 1990, 64, 1.0, 108, "ragctx_d64", 0, 0, 0, 1.84e-3),
    ParityCase(2048, 1990, 64, 1.0, 231, "ragctxsel_d64", 0, 0, 1, 1.84e-3),
    ParityCase(2000, 2000, 64, 1.0, 110, "ragtgt_d64", 1, 0, 0, 1.84e-3),
  ]

  private init(
    _ target: Int, _ context: Int, _ headSize: Int, _ amplitude: Double, _ seed: UInt64, _ name: String, _ kept: Int,
    _ routes: Int, _ listed: Int, _ output: Double, smooth: Bool = true
  ) {
    (self.target, self.context, heads, self.headSize) = (target, context, 2, headSize)
    (self.amplitude, self.seed, self.name, self.smooth) = (amplitude, seed, name, smooth)
    (self.kept, self.routes, self.listed, self.output) = (kept, routes, listed, output)
  }

  private static let tau = 6.283185307179586

  private func bits(_ stream: UInt64, _ i: Int) -> UInt64 {
    var z = seed &+ ((stream << 40) &+ UInt64(i) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  private func uniform(_ stream: UInt64, _ i: Int) -> Double {
    Double(bits(stream, i) >> 11) * (1.0 / 9007199254740992.0)
  }

  private func normal(_ stream: UInt64, _ i: Int) -> Double {
    let z = bits(stream, i)
    let u1 = (Double(z >> 32) + 1.0) * (1.0 / 4294967296.0)
    let u2 = Double(z & 0xFFFF_FFFF) * (1.0 / 4294967296.0)
    return (-2.0 * log(u1)).squareRoot() * cos(ParityCase.tau * u2)
  }

  /// Rounded to bfloat16.
  private static func rounded(_ x: Double) -> Double {
    let u = Float(x).bitPattern
    return Double(Float(bitPattern: (u &+ 0x7FFF &+ ((u >> 16) & 1)) & 0xFFFF_0000))
  }

  /// Queries, keys and values of a head, [tokens][head size]; the folder's README defines every operation.
  func inputs(head h: Int) -> (queries: [Double], keys: [Double], values: [Double]) {
    let tau = ParityCase.tau
    let n = tokens * headSize
    var q = Array(repeating: 0.0, count: n)
    var (k, v) = (q, q)
    let channels = (0..<headSize).map { h * headSize + $0 }
    let low = [0.5, 2.0, 5.0]
    let span = [1.5, 3.0, 5.0]
    let F = channels.map { j in (0..<3).map { low[$0] + span[$0] * uniform(16, 3 * j + $0) } }
    let P = channels.map { j in (0..<3).map { uniform(17, 3 * j + $0) } }
    let valueF = channels.map { 0.5 + 3.5 * uniform(18, $0) }
    let valueP = channels.map { uniform(19, $0) }
    for t in 0..<tokens {
      let x = t < target ? (Double(t) + 0.5) / Double(target) : (Double(t - target) + 0.5) / Double(context)
      let g = 1.0 + 0.8 * cos(tau * (2.0 * x + uniform(20, h)))
      let r = t < target ? 1.0 : 0.8 + 0.3 * cos(tau * (x + uniform(21, h)))
      for d in 0..<headSize {
        let i = (t * heads + h) * headSize + d
        let place = t * headSize + d
        let noise = (normal(1, i), normal(2, i), normal(3, i))
        guard smooth else {
          (q[place], k[place]) = (ParityCase.rounded(noise.0), ParityCase.rounded(noise.1))
          v[place] = ParityCase.rounded(noise.2)
          continue
        }
        var b = cos(tau * (F[d][0] * x + P[d][0]))
        b = b + 0.5 * cos(tau * (F[d][1] * x + P[d][1]))
        b = b + 0.25 * cos(tau * (F[d][2] * x + P[d][2]))
        q[place] = ParityCase.rounded((amplitude * g) * b + 0.5 * noise.0)
        k[place] = ParityCase.rounded((amplitude * r) * b + 0.5 * noise.1)
        v[place] = ParityCase.rounded(0.7 * cos(tau * (valueF[d] * x + valueP[d])) + 0.5 * noise.2)
      }
    }
    return (q, k, v)
  }
}
