import Foundation
import SparseAttention
import SparseAttentionCPU
import Testing

@Suite struct BiasTests {
  private func problem(_ sizes: [Int], _ type: ElementType, seed: Int, masked: Bool = false) -> Problem {
    let p = Problem()
    (p.batch, p.heads, p.kvHeads, p.element) = (2, 2, 2, type)
    (p.querySegments, p.keySegments) = ([Segment(.target, length: 83)], [Segment(.target, length: 139)])
    p.policies = [.exact, .exact]
    p.fill(seed)
    var noise = Noise(seed + 1)
    p.bias = (0..<sizes[0]).map { _ in
      (0..<sizes[1]).map { _ in
        (0..<sizes[2]).map { _ in
          (0..<sizes[3]).map { _ in noise.uniform() < 0.2 ? -Float.infinity : Problem.round(noise.normal(), type) }
        }
      }
    }
    if masked { p.mask = [(0..<p.keys).map { _ in noise.uniform() < 0.7 }] }
    return p
  }

  private func expected(_ p: Problem, _ b: Int, _ h: Int) -> [[Double]] {
    let bias = p.bias ?? []
    let heads = bias[b % bias.count]
    let rows = heads[h % heads.count]
    let (q, k, v) = (p.q[b][h], p.k[b][h], p.v[b][h])
    return q.indices.map { i in
      let row = rows[i % rows.count]
      var sum = 0.0
      var out = Array(repeating: 0.0, count: p.valueSize)
      for j in k.indices where p.mask?[0][j] ?? true {
        let dot = zip(q[i], k[j]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        let e = exp(dot * Double(p.scaled) + Double(row[j % row.count]))
        sum += e
        for c in out.indices { out[c] += e * Double(v[j][c]) }
      }
      return out.map { sum == 0 ? 0 : $0 / sum }
    }
  }

  @Test(arguments: available, [[2, 2, 83, 139], [1, 2, 83, 139], [2, 1, 1, 139], [1, 1, 83, 1], [1, 1, 1, 1]])
  func isAdded(_ kernel: KernelRow, sizes: [Int]) throws {
    for (type, bound) in [(ElementType.float32, 2e-6), (.float16, 6e-4), (.bfloat16, 4e-3)] {
      for masked in [false, true] {
        let p = problem(sizes, type, seed: 4, masked: masked)
        let result = try p.run(kernel)
        for b in 0..<2 {
          for h in 0..<2 { #expect(Problem.error(result.output[b][h], expected(p, b, h)) < bound) }
        }
      }
    }
  }

  /// Exporters write masks as the lowest number: a row of them alone weighs all keys alike, as it does in the original.
  @Test(arguments: available)
  func lowestNumberIsNotNothing(_ kernel: KernelRow) throws {
    let p = problem([1, 1, 83, 139], .float32, seed: 6)
    p.bias = [[(0..<83).map { i in Array(repeating: i == 5 ? -Float.greatestFiniteMagnitude : 0, count: 139) }]]
    let row = try p.run(kernel).output[0][0][5]
    for c in row.indices {
      let mean = p.v[0][0].reduce(0.0) { $0 + Double($1[c]) } / 139
      #expect(abs(Double(row[c]) - mean) < 1e-5)
    }
  }

  /// Beside large numbers float32 rounds scores, whichever their sign, and the original's softmax sees them so.
  @Test(arguments: available, [1e4, -1e4, 1e6, -1e6] as [Float])
  func largeNumbersRoundAsInTheOriginal(_ kernel: KernelRow, _ large: Float) throws {
    let p = problem([1, 1, 83, 139], .float32, seed: 8)
    // Where it stands on half of the keys, as in `scores + keep · 10000`, the others weigh nothing.
    for half in [false, true] {
      p.bias = [[(0..<83).map { i in (0..<139).map { half && ($0 + i) % 2 == 0 ? 0 : large } }]]
      let result = try p.run(kernel)
      let (q, k, v) = (p.q[0][0], p.k[0][0], p.v[0][0])
      let expected = q.indices.map { i -> [Double] in
        let scores = k.indices.map { j -> Double in
          let dot = zip(q[i], k[j]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
          return Double(Float(dot * Double(p.scaled)) + (p.bias?[0][0][i][j] ?? 0))
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        return v[0].indices.map { c in zip(weights, v).reduce(0.0) { $0 + $1.0 * Double($1.1[c]) } / sum }
      }
      // A score that rounds to the other side moves by float32's step beside the number.
      #expect(Problem.error(result.output[0][0], expected) < Double(large.magnitude.ulp) * 0.05 + 1e-5)
    }
  }

  @Test func sparsePoliciesTakeNone() throws {
    let p = problem([1, 1, 83, 139], .float32, seed: 6)
    p.policies = [.exact, .paper]
    #expect(throws: AttentionError.biasWithSparsePolicy(head: 1)) { try p.run() }
  }
}
