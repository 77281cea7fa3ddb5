import SparseAttention
import SparseAttentionCPU
import Testing

/// A few hundred small problems of any shape, against float64.
@Suite struct RandomProblemTests {
  private func segments(_ noise: inout Noise) -> [Segment] {
    let kinds = noise.pick([
      [SegmentKind.target], [.target, .context], [.text, .target, .context], [.context, .target], [.context],
      [.target, .text], [.text], [.context, .target, .context, .text],
    ])
    return kinds.map { kind in
      if kind != .text, noise.uniform() < 0.6 {
        let grid = Grid(frames: noise.int(1...4), rows: noise.int(1...9), columns: noise.int(1...11))
        return Segment(kind, length: grid.frames * grid.rows * grid.columns, grid: grid)
      }
      return Segment(kind, length: noise.int(0...130))
    }
  }

  private func policy(_ noise: inout Noise) -> Policy {
    if noise.uniform() < 0.1 { return .exact }
    return Policy(
      contextKeep: noise.pick([1, 0.5, 0.125]), droppedContext: noise.pick([.drop, .average]),
      route: noise.pick([.share(0), .share(0.5), .threshold(0.3)]),
      select: noise.pick([
        .density(0.125), .density(0.4), .coverage(0.5), .coverage(0.9), .threshold(0.02), .threshold(0.1),
      ]),
      floor: noise.pick([0, 0, 0.2]), rank: noise.pick([.mass, .gap, .loss]),
      taylor: noise.pick([.none, .zeroth, .second]))
  }

  @Test(arguments: available) func random(_ kernel: KernelRow) throws {
    for seed in 0..<80 {
      var noise = Noise(seed + 1000)
      let p = Problem()
      p.batch = noise.int(1...2)
      p.kvHeads = noise.int(1...2)
      p.heads = p.kvHeads * noise.int(1...2)
      p.querySegments = segments(&noise)
      p.keySegments = noise.uniform() < 0.6 ? p.querySegments : segments(&noise)
      p.headSize = noise.pick([16, 17, 33, 40, 64, 80])
      p.valueSize = noise.pick([p.headSize, p.headSize, 8, 50])
      p.element = noise.pick([.float32, .float32, .float16, .bfloat16])
      p.compute = noise.pick([.float32, .bfloat16])
      p.blockQ = noise.pick([64, 128])
      p.blockK = noise.pick([32, 64])
      p.tile = noise.pick([nil, Grid(frames: 4, rows: 4, columns: 4), Grid(frames: 1, rows: 8, columns: 8)])
      p.edges = noise.pick(TileEdges.allCases)
      p.layout = noise.pick(Problem.Layout.allCases)
      if noise.uniform() < 0.3 {
        let share = noise.pick([0.1, 0.5, 0.95])
        p.mask = (0..<noise.pick([1, p.batch])).map { _ in (0..<p.keys).map { _ in noise.uniform() < share } }
      }
      p.policies = (0..<p.heads).map { _ in policy(&noise) }
      p.fill(seed)
      guard p.queries > 0, p.keys > 0 else { continue }
      let result = try p.run(kernel, threads: noise.int(1...3))
      for b in 0..<p.batch {
        for h in 0..<p.heads {
          let selection = try p.select(b, h, kernel)
          let error = try Problem.error(result.output[b][h], p.reference(b, h).output(selection))
          // Few keys make bf16's roundings count for more than on long rows.
          let bound = KernelTests.bound(p, kernel) * (p.compute == .bfloat16 ? 2 : 1)
          #expect(error <= bound, "seed \(seed), head \(h)")
        }
      }
    }
  }
}
