import SparseAttention
import SparseAttentionCPU
import Testing

/// Every instruction set that this machine runs.
let available = KernelTable.rows.filter(\.isAvailable)

extension KernelRow: CustomTestStringConvertible {
  public var testDescription: String { name }
}

/// Against float64, on every instruction set.
@Suite struct KernelTests {
  static let video = [
    Segment(.text, length: 13), Segment(.target, length: 4 * 6 * 9, grid: Grid(frames: 4, rows: 6, columns: 9)),
    Segment(.context, length: 3 * 5 * 11, grid: Grid(frames: 3, rows: 5, columns: 11)),
  ]

  /// Float32 to 2e-6 for the same selection on unit Gaussian data, bf16 to 5e-3; a 16-bit output adds its own rounding.
  static func bound(_ p: Problem, _ kernel: KernelRow) -> Double {
    let products = p.compute == .bfloat16 && kernel.bfloat16 ? 5e-3 : 2e-6
    let output: Double = [ElementType.float32: 0.0, .float16: 5e-4, .bfloat16: 4e-3][p.element] ?? 0.0
    return products + output
  }

  static func check(_ p: Problem, _ kernel: KernelRow, threads: Int = 1) throws {
    let result = try p.run(kernel, threads: threads)
    for b in 0..<p.batch {
      for h in 0..<p.heads {
        let selection = try p.select(b, h, kernel)
        let error = try Problem.error(result.output[b][h], p.reference(b, h).output(selection))
        #expect(error <= bound(p, kernel), "\(kernel.name) head \(h) of size \(p.headSize), \(p.valueSize)")
        #expect(zip(result.statistics[b][h], selection.statistics).allSatisfy { abs($0 - $1) < 1e-6 })
      }
    }
  }

  @Test(arguments: available, [1, 3, 16, 17, 32, 40, 64, 80, 96, 127, 128, 130, 192, 256])
  func headSizes(_ kernel: KernelRow, size: Int) throws {
    for compute in [ElementType.float32, .bfloat16] where size >= 16 || compute == .float32 {
      let p = Problem()
      (p.headSize, p.valueSize, p.compute) = (size, size, compute)
      (p.heads, p.kvHeads) = (2, 1)
      (p.querySegments, p.keySegments) = (Self.video, Self.video)
      p.tile = Grid(frames: 4, rows: 4, columns: 4)
      p.policies = [.exact, Policy(select: .density(0.3), rank: .gap, taylor: .second)]
      p.fill(size)
      try Self.check(p, kernel)
    }
  }

  @Test(arguments: available, [(1, 64), (24, 64), (64, 5), (80, 200), (16, 256)])
  func valuesOfAnotherSize(_ kernel: KernelRow, sizes: (Int, Int)) throws {
    let p = Problem()
    (p.headSize, p.valueSize) = sizes
    (p.querySegments, p.keySegments) = ([Segment(.target, length: 150)], [Segment(.target, length: 211)])
    p.policies = [Policy(select: .coverage(0.4))]
    p.fill(7)
    try Self.check(p, kernel)
  }

  @Test(arguments: available, [ElementType.float16, .bfloat16])
  func sixteenBitTensors(_ kernel: KernelRow, type: ElementType) throws {
    for compute in [ElementType.float32, .float16, .bfloat16] {
      for size in [40, 64] {
        let p = Problem()
        (p.element, p.compute, p.headSize, p.valueSize) = (type, compute, size, size)
        (p.querySegments, p.keySegments) = (Self.video, Self.video)
        p.policies = [.paper]
        p.fill(size)
        try Self.check(p, kernel)
      }
    }
  }

  @Test(arguments: available)
  func groupedHeadsBatchesAndBothLayouts(_ kernel: KernelRow) throws {
    for layout in Problem.Layout.allCases {
      let p = Problem()
      (p.batch, p.heads, p.kvHeads, p.layout) = (2, 6, 2, layout)
      (p.querySegments, p.keySegments) = ([Segment(.target, length: 70)], Self.video)
      p.policies = [
        .exact, .paper, Policy(rank: .gap), Policy(select: .threshold(0.02), rank: .gap), Policy(route: .share(0.5)),
        Policy(contextKeep: 0.4, taylor: .second),
      ]
      p.fill(11)
      try Self.check(p, kernel, threads: 3)
    }
  }

  @Test(arguments: available, [(64, 32), (128, 32), (128, 64)])
  func blockSizes(_ kernel: KernelRow, size: (Int, Int)) throws {
    for rank in [Policy.Rank.mass, .gap, .loss] {
      let p = Problem()
      (p.blockQ, p.blockK) = size
      (p.querySegments, p.keySegments) = (Self.video, Self.video)
      p.tile = Grid(frames: 2, rows: 4, columns: 8)
      p.edges = .boxes
      p.policies = [Policy(contextKeep: 0.5, select: .density(0.25), rank: rank)]
      p.fill(3)
      try Self.check(p, kernel)
    }
  }

  @Test(arguments: available)
  func masks(_ kernel: KernelRow) throws {
    var noise = Noise(5)
    for share in [0.03, 0.5, 0.95] {
      let p = Problem()
      (p.batch, p.heads, p.kvHeads) = (2, 3, 3)
      (p.querySegments, p.keySegments) = (Self.video, Self.video)
      p.mask = (0..<2).map { _ in (0..<p.keys).map { $0 > 80 && noise.uniform() < share } }
      p.policies = [.exact, Policy(rank: .gap, taylor: .second), Policy(rank: .loss)]
      p.fill(5)
      try Self.check(p, kernel)
    }
  }

  @Test(arguments: available)
  func nothingToAttendTo(_ kernel: KernelRow) throws {
    let p = Problem()
    (p.heads, p.kvHeads) = (3, 3)
    (p.querySegments, p.keySegments) = (Self.video, Self.video)
    p.mask = [Array(repeating: false, count: p.keys)]
    p.policies = [.exact, Policy(rank: .gap), Policy(contextKeep: 0.5, select: .coverage(0.5), taylor: .none)]
    p.fill(1)
    #expect(try p.run(kernel).output.joined().joined().joined().allSatisfy { $0 == 0 })
    p.mask = nil
    p.keySegments = [Segment(.target, length: 0)]
    p.fill(1)
    #expect(try p.run(kernel).output.joined().joined().joined().allSatisfy { $0 == 0 })
    p.querySegments = []
    p.fill(1)
    #expect(try p.run(kernel).output.joined().joined().isEmpty)
  }

  @Test(arguments: available)
  func numbersThatAreNone(_ kernel: KernelRow) throws {
    for bad in [Float.nan, .infinity, -.infinity] {
      for compute in [ElementType.float32, .bfloat16] {
        let p = Problem()
        (p.querySegments, p.keySegments) = (Self.video, Self.video)
        p.compute = compute
        (p.heads, p.kvHeads) = (4, 1)
        p.policies = [
          .exact, Policy(rank: .gap), Policy(contextKeep: 0.3, route: .share(0.5), select: .coverage(0.5)),
          Policy(select: .threshold(0.1), rank: .gap, taylor: .second),
        ]
        p.fill(1)
        let clean = try p.run(kernel).output[0][0]
        var q = p.q
        q[0][0][20][3] = bad
        p.set(q: q, k: p.k, v: p.v)
        // A query that is no number spoils its own row alone.
        let spoiled = try p.run(kernel).output[0][0]
        #expect(spoiled.indices.allSatisfy { $0 == 20 || spoiled[$0] == clean[$0] })
        var k = p.k
        k[0][0][100][0] = bad
        p.set(q: q, k: k, v: p.v)
        #expect(try p.run(kernel).output.count == 1)
      }
    }
  }
}
