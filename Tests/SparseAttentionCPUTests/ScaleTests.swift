import Glibc
import SparseAttention
import SparseAttentionCPU
import Testing

/// Memory that a tensor of a given reach would need, without having it: pages come as they are touched.
private final class Reach {
  let base: UnsafeMutableRawPointer
  private let bytes: Int

  init(bytes: Int) throws {
    let p = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    base = try #require(p == MAP_FAILED ? nil : p)
    self.bytes = bytes
  }
  deinit { munmap(base, bytes) }
}

@Suite struct ScaleTests {
  /// Elements further than 2^31 from the first are found: the same numbers far apart give the same bits.
  @Test func elementsBeyond31Bits() throws {
    let tokens = 130
    let size = 32
    let far = (1 << 31) / 100  // elements from token to token
    var outputs: [[Float]] = []
    for stride in [size, far] {
      let memory = try (0..<4).map { _ in try Reach(bytes: (tokens * stride + size) * 4) }
      var noise = Noise(3)
      for m in memory.prefix(3) {
        for t in 0..<tokens {
          for c in 0..<size {
            m.base.storeBytes(of: noise.normal(), toByteOffset: (t * stride + c) * 4, as: Float.self)
          }
        }
      }
      let views = memory.map { TensorView($0.base, batchStride: 0, headStride: 0, tokenStride: stride) }
      let segments = [Segment(.target, length: tokens)]
      var p = AttentionProblem(
        query: views[0], key: views[1], value: views[2], output: views[3], querySegments: segments,
        keySegments: segments, policies: [Policy(rank: .gap)])
      (p.queries, p.keys, p.headSize, p.valueSize, p.scale) = (tokens, tokens, size, size, 0.2)
      try AttentionCPU.run(p, on: SerialRunner())
      outputs.append(
        (0..<tokens).flatMap { t in
          (0..<size).map { memory[3].base.load(fromByteOffset: (t * stride + $0) * 4, as: Float.self) }
        })
    }
    #expect(tokens * far > 1 << 31)
    #expect(outputs[0] == outputs[1])
    #expect(outputs[0].contains { $0 != 0 })
  }

  /// More blocks than any table's padding, ragged at the end, with several waves of heads, two for the same keys.
  @Test func thousandsOfTokens() throws {
    let p = Problem()
    (p.heads, p.kvHeads, p.headSize, p.valueSize) = (4, 2, 16, 16)
    p.querySegments = [Segment(.target, length: 4_200), Segment(.context, length: 500)]
    p.keySegments = p.querySegments
    p.policies = [Policy(select: .threshold(0.004), rank: .gap), Policy(select: .coverage(0.3)), .paper, .exact]
    p.blockK = 32
    p.fill(8)
    let result = try p.run(threads: 2)
    let again = try p.run(threads: 1)
    #expect(result.output == again.output)
    let selection = try p.select(0, 0)
    var reference = p.reference(0, 0)
    // The last query block and one in the middle are enough.
    let blocks = try reference.queryBlocks()
    let tokens = blocks[blocks.count - 1].tokens + blocks[30].tokens
    reference.queries = tokens.map { reference.queries[$0] }
    reference.querySegments = [
      Segment(.target, length: blocks[blocks.count - 1].tokens.count), Segment(.context, length: 64),
    ]
    var some = selection
    some.full = [selection.full[blocks.count - 1], selection.full[30]]
    some.exact = [selection.exact[blocks.count - 1], selection.exact[30]]
    #expect(try Problem.error(tokens.map { result.output[0][0][$0] }, reference.output(some)) < 2e-6)
  }
}
