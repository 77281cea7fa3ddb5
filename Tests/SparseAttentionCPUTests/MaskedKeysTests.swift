import Foundation
import SparseAttention
import SparseAttentionCPU
import Testing

/// What becomes of masked keys, and of rows without any, against float64.
@Suite struct MaskedKeysTests {
  private static let policies: [Policy] = [
    .exact, .paper, Policy(select: .threshold(0.02), rank: .gap, taylor: .second),
    Policy(select: .density(0.25), taylor: .none),
  ]

  /// Two entries; all keys of the first are masked, some of the second's.
  private func problem(_ policy: Policy, element: ElementType = .float32, seed: Int = 3) -> Problem {
    let p = Problem()
    (p.batch, p.heads, p.kvHeads, p.headSize, p.valueSize, p.element) = (2, 2, 1, 32, 40, element)
    p.querySegments = [Segment(.target, length: 150), Segment(.context, length: 90)]
    p.keySegments = p.querySegments
    p.policies = [policy, policy]
    var noise = Noise(seed)
    p.mask = [Array(repeating: false, count: p.keys), (0..<p.keys).map { _ in noise.uniform() < 0.6 }]
    p.fill(seed)
    return p
  }

  @Test(arguments: available, policies) func asTheOracleSays(_ kernel: KernelRow, policy: Policy) throws {
    let kinds: [MaskedKeys] = [
      .absent, .scored(-1e4), .scored(-.greatestFiniteMagnitude), .scored(-2), .scored(3), .biased(-1e9), .biased(-100),
      .biased(-.greatestFiniteMagnitude),
    ]
    for kind in kinds {
      for (element, bound) in [(ElementType.float32, 1e-5), (.float16, 6e-4), (.bfloat16, 4e-3)] {
        let p = problem(policy, element: element)
        p.maskedKeys = kind
        let found = try p.run(kernel)
        for b in 0..<2 {
          for h in 0..<2 {
            let expected = try p.reference(b, h).output(try p.select(b, h, kernel))
            #expect(Problem.error(found.output[b][h], expected) < bound, "\(kind), entry \(b)")
            if b == 0, kind != .absent { #expect(expected[0].contains { $0 != 0 }) }
          }
        }
      }
    }
  }

  /// A number in the place of all scores weighs the values alike; a low one added to them leaves what they were.
  @Test(arguments: available) func entriesWithoutKeys(_ kernel: KernelRow) throws {
    let p = problem(.exact)
    func dense(_ weight: (Double) -> Double) -> [[Double]] {
      p.q[0][1].map { query in
        let weights = p.k[0][0].map { key in
          weight(zip(query, key).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } * Double(p.scaled))
        }
        let sum = weights.reduce(0, +)
        return (0..<p.valueSize).map { c in
          zip(weights, p.v[0][0]).reduce(0.0) { $0 + $1.0 * Double($1.1[c]) } / sum
        }
      }
    }
    func output() throws -> [[Float]] { try p.run(kernel).output[0][1] }
    p.maskedKeys = .scored(-1e4)
    var found = try output()
    #expect(Problem.error(found, dense { _ in 1 }) < 1e-5)
    p.maskedKeys = .biased(-.greatestFiniteMagnitude)
    found = try output()
    #expect(Problem.error(found, dense { _ in 1 }) < 1e-5)
    p.maskedKeys = .biased(-100)
    found = try output()
    #expect(Problem.error(found, dense { exp($0) }) < 1e-4)
    // As float32 rounds beside ten thousand.
    p.maskedKeys = .biased(-1e4)
    found = try output()
    #expect(Problem.error(found, dense { exp(Double(Float($0) - 1e4) + 1e4) }) < 5e-5)
  }

  @Test(arguments: available, policies) func emptyRowsAreNaNWhereAsked(_ kernel: KernelRow, policy: Policy) throws {
    let p = problem(policy)
    let zeros = try p.run(kernel)
    #expect(zeros.output[0].joined().joined().allSatisfy { $0 == 0 })
    p.emptyRows = .nan
    let found = try p.run(kernel)
    #expect(found.output[0].joined().joined().allSatisfy { $0.isNaN })
    #expect(found.output[1].joined().joined().allSatisfy { $0.isFinite })
    // What stands in the place of scores leaves no row empty.
    p.maskedKeys = .scored(-1e9)
    let scored = try p.run(kernel)
    #expect(scored.output[0].joined().joined().allSatisfy { $0.isFinite })
  }

  /// Bias and masks in the order that is asked, each sum in float32.
  @Test(arguments: available) func biasBesideMaskedKeys(_ kernel: KernelRow) throws {
    for (first, scale, replacing) in [
      (false, Float(1), -Float.infinity), (true, 1, -.infinity), (true, 0.25, -.infinity), (false, 1, -50),
    ] {
      let p = problem(.exact, seed: 8)
      (p.biasFirst, p.biasScale, p.replacingBias, p.maskedKeys) = (first, scale, replacing, .biased(-40))
      var noise = Noise(9)
      p.bias = [[(0..<p.queries).map { _ in (0..<p.keys).map { _ in noise.uniform() < 0.3 ? -60 : noise.normal() } }]]
      let found = try p.run(kernel)
      for b in 0..<2 {
        let expected = p.q[b][0].indices.map { i in
          let weights = p.keysScores(b, i).enumerated().map { j, score in
            let bias = p.bias?[0][0][i][j] ?? 0
            let added: Float = p.mask?[b][j] == true ? 0 : -40
            let own = Float(score) / scale
            let sum = first ? (own + bias) + added : (own + added) + bias
            return exp(Double((bias <= replacing ? bias : sum) * scale))
          }
          let sum = weights.reduce(0, +)
          return (0..<p.valueSize).map { c in
            zip(weights, p.v[b][0]).reduce(0.0) { $0 + $1.0 * Double($1.1[c]) } / sum
          }
        }
        #expect(Problem.error(found.output[b][0], expected) < 2e-5)
      }
    }
  }

  @Test func theProbeMeasuresThem() throws {
    let p = problem(.exact)
    p.maskedKeys = .biased(-1e9)
    var result: ProbeResult?
    _ = try p.with { problem in
      result = try AttentionCPU.probe(
        problem, policies: [[.paper, .paper], [.exact, .exact]], on: SerialRunner())
    }
    let probe = try #require(result)
    // An entry without other keys attends exactly under any policy.
    for h in 0..<2 {
      #expect(probe[batch: 0, head: h, policy: 0].squaredError == 0)
      #expect(probe[batch: 0, head: h, policy: 0].executedDensity == 1)
      #expect(probe[batch: 1, head: h, policy: 0].squaredError > 0)
      #expect(probe[batch: 1, head: h, policy: 1].squaredError == 0)
    }
  }
}

extension Problem {
  /// Scores of one query of the first head in float64.
  fileprivate func keysScores(_ batch: Int, _ query: Int) -> [Double] {
    k[batch][0].map { key in
      zip(q[batch][0][query], key).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } * Double(scaled)
    }
  }
}
