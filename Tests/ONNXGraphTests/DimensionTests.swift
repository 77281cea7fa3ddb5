import ONNXGraph
import Testing

@Suite struct DimensionTests {
  private let h = Dimension(symbol: "height")
  private let w = Dimension(symbol: "width")
  private let f = Dimension(symbol: "frames")

  /// A random expression with its value computed beside it, by Swift's own integers.
  private struct Sample {
    var dimension: Dimension
    var value: (_ bindings: [String: Int64]) -> Int64
  }

  private static let names = ["a", "b", "c"]

  private func sample(_ depth: Int, _ generator: inout SeededGenerator) -> Sample {
    if depth == 0 || Int.random(in: 0..<5, using: &generator) == 0 {
      if Bool.random(using: &generator) {
        let number = Int64.random(in: -4...9, using: &generator)
        return Sample(dimension: Dimension(number)) { _ in number }
      }
      let name = Self.names.randomElement(using: &generator) ?? "a"
      return Sample(dimension: Dimension(symbol: name)) { $0[name] ?? 0 }
    }
    let x = sample(depth - 1, &generator)
    let y = sample(depth - 1, &generator)
    switch Int.random(in: 0..<7, using: &generator) {
    case 0: return Sample(dimension: x.dimension + y.dimension) { x.value($0) + y.value($0) }
    case 1: return Sample(dimension: x.dimension - y.dimension) { x.value($0) - y.value($0) }
    case 2: return Sample(dimension: x.dimension * y.dimension) { x.value($0) * y.value($0) }
    case 3:
      let divisor = Int64.random(in: 1...6, using: &generator)
      return Sample(dimension: x.dimension.floorDivided(by: Dimension(divisor))) { Self.floor(x.value($0), divisor) }
    case 4:
      let divisor = Int64.random(in: 1...6, using: &generator)
      return Sample(dimension: x.dimension.modulo(Dimension(divisor))) {
        x.value($0) - divisor * Self.floor(x.value($0), divisor)
      }
    case 5: return Sample(dimension: .max([x.dimension, y.dimension])) { max(x.value($0), y.value($0)) }
    default: return Sample(dimension: .min([x.dimension, y.dimension])) { min(x.value($0), y.value($0)) }
    }
  }

  private static func floor(_ a: Int64, _ b: Int64) -> Int64 {
    Int64((Double(a) / Double(b)).rounded(.down))
  }

  private func bindings(_ generator: inout SeededGenerator) -> [String: Int64] {
    Dictionary(uniqueKeysWithValues: Self.names.map { ($0, Int64.random(in: 0...12, using: &generator)) })
  }

  @Test func arithmeticIsThatOfTheIntegers() {
    var generator = SeededGenerator(1)
    for _ in 0..<3000 {
      let sample = sample(4, &generator)
      guard sample.dimension.isKnown else { continue }
      for _ in 0..<4 {
        let bindings = bindings(&generator)
        #expect(sample.dimension.evaluate(bindings) == sample.value(bindings), "\(sample.dimension)")
      }
    }
  }

  @Test func whatIsPrintedIsReadAgain() {
    var generator = SeededGenerator(2)
    for _ in 0..<2000 {
      let dimension = sample(4, &generator).dimension
      guard dimension.isKnown, dimension.description.utf8.count < 4000 else { continue }
      #expect(Dimension(parsing: dimension.description) == dimension)
    }
  }

  @Test func ringLaws() {
    var generator = SeededGenerator(3)
    for _ in 0..<1000 {
      let (x, y, z) = (
        sample(2, &generator).dimension, sample(2, &generator).dimension, sample(2, &generator).dimension
      )
      guard (x * y * z).isKnown else { continue }
      #expect(x + y == y + x)
      #expect(x * y == y * x)
      #expect((x + y) + z == x + (y + z))
      #expect(x * (y + z) == x * y + x * z)
      #expect(x - x == 0)
      #expect(x * 1 == x && x + 0 == x)
    }
  }

  @Test func exactDivisionUndoesMultiplication() {
    var generator = SeededGenerator(4)
    for _ in 0..<1000 {
      let x = sample(2, &generator).dimension
      let y = sample(2, &generator).dimension
      guard (x * y).isKnown, y != 0 else { continue }
      #expect((x * y).exactlyDivided(by: y) == x, "\(x) times \(y)")
    }
    #expect((h * w + 1).exactlyDivided(by: h) == nil)
    #expect(h.exactlyDivided(by: 2) == nil)
    #expect(h.exactlyDivided(by: 0) == nil)
  }

  @Test func theWordIsSureOfItsSign() {
    var generator = SeededGenerator(5)
    for _ in 0..<2000 {
      let x = sample(3, &generator)
      let y = sample(3, &generator)
      guard x.dimension.isKnown, y.dimension.isKnown else { continue }
      let bindings = bindings(&generator)
      if x.dimension.isNonNegative { #expect(x.value(bindings) >= 0, "\(x.dimension)") }
      if x.dimension.isAtMost(y.dimension) {
        #expect(x.value(bindings) <= y.value(bindings), "\(x.dimension) \(y.dimension)")
      }
    }
    #expect((f * h).isNonNegative && !(f - h).isNonNegative && (f + 1).isPositive && !f.isPositive)
    #expect(Dimension.min([f, 1024]).isAtMost(f))
  }

  /// As exporters write them.
  @Test func expressionsOfExporters() {
    let grid = f * h.floorDivided(by: 2) * w.floorDivided(by: 2)
    #expect(Dimension(parsing: "frames*((height//2))*((width//2))") == grid)
    let source = Dimension(parsing: "src_frames*((src_height//2))*((src_width//2))")
    let sum = Dimension(parsing: "frames*((height//2))*((width//2)) + src_frames*((src_height//2))*((src_width//2))")
    #expect(sum == grid + source)
    #expect(sum - source == grid)
    #expect(sum.symbols == ["frames", "height", "width", "src_frames", "src_height", "src_width"])
    #expect(Dimension(parsing: "Max(1, height)").evaluate(["height": 0]) == 1)
    #expect(Dimension(parsing: "Max(1, Max(1, (height//2)))") == .max([1, h.floorDivided(by: 2)]))
    #expect(Dimension(parsing: "Mod(height, 8)").evaluate(["height": 21]) == 5)
    #expect(Dimension(parsing: "PythonMod(height, 8)") == Dimension(parsing: "height % 8"))
    #expect(Dimension(parsing: "Min(height, width)") == .min([w, h]))
    #expect(Dimension(parsing: "height**2") == h * h)
    #expect(Dimension(parsing: "-(-height//2)") == h.ceilingDivided(by: 2))
    #expect(Dimension(parsing: " 2 * (height + 3) ") == 2 * h + 6)
    #expect(Dimension(parsing: "16") == 16)
    #expect(Dimension(parsing: "s0").symbol == "s0")
    #expect(Dimension(parsing: "unk__12").symbol == "unk__12")
    #expect(Dimension(parsing: "/blocks.0/Add_output_0_dim_1").symbol == "/blocks.0/Add_output_0_dim_1")
  }

  @Test func whatIsNoExpressionIsOneName() {
    for text in [
      "a b", "3d", "1.5", "f(", "foo(x)", "a+", "(((", "a//0", "", "*", "a**b", "größe!", "99999999999999999999",
    ] {
      #expect(Dimension(parsing: text).symbol == text)
    }
    let deep = String(repeating: "(", count: 100_000)
    #expect(Dimension(parsing: deep).symbol == deep)
    let signs = String(repeating: "-", count: 2000) + "a"
    #expect(Dimension(parsing: signs).symbol == signs)
  }

  @Test func quotientsAreNormal() {
    #expect((4 * h + 2).floorDivided(by: 4) == h)
    #expect((6 * h).floorDivided(by: 4) == h + h.floorDivided(by: 2))
    #expect(h.floorDivided(by: 2).floorDivided(by: 3) == h.floorDivided(by: 6))
    #expect((h * w).floorDivided(by: w) == h)
    #expect(h.floorDivided(by: -2) == (-h).floorDivided(by: 2))
    #expect((2 * h.floorDivided(by: 2) + h.modulo(2)) == h)
    #expect((8 * h).modulo(8) == 0)
    #expect(Dimension(-7).floorDivided(by: 2) == -4)
    #expect(Dimension(-7).modulo(2) == 1)
    #expect(Dimension.max([h, h + 1]) == h + 1)
    #expect(Dimension.max([-1, h]) == h)
    #expect(Dimension.min([h, h + 1]) == h)
  }

  @Test func overflowIsUnknown() {
    let huge = Dimension(Int64.max)
    #expect(!(huge + 1).isKnown)
    #expect(!(huge * 2).isKnown)
    #expect(!(huge * h * 2).isKnown)
    #expect(!Dimension(Int64.min).floorDivided(by: -1).isKnown)
    #expect(!h.floorDivided(by: 0).isKnown)
    #expect(!(.unknown * 0 as Dimension).isKnown)
    #expect((huge * h).evaluate(["height": 2]) == nil)
    #expect(h.evaluate([:]) == nil)
    var product: Dimension = 1
    for name in 0..<200 { product = product * (Dimension(symbol: "s\(name)") + 1) }
    #expect(!product.isKnown)
  }

  @Test func namesAreReplaced() {
    let grid = f * h.floorDivided(by: 2)
    #expect(grid.substituting(["height": 16]) == 8 * f)
    #expect(grid.substituting(["height": 2 * w]) == f * w)
    #expect(Dimension.max([h, w]).substituting(["height": 3, "width": 5]) == 5)
  }

  @Test func namesAreFoundFromLengths() {
    #expect(Dimension.solve([(8 * h, 64), (8 * w + 1, 25)]) == ["height": 8, "width": 3])
    #expect(Dimension.solve([(h * w, 48), (h, 8)]) == ["height": 8, "width": 6])
    #expect(Dimension.solve([(h, 8), (h, 9)]) == nil)
    #expect(Dimension.solve([(8 * h, 63)]) == nil)
    #expect(Dimension.solve([(h + 9, 8)]) == nil)
    #expect(Dimension.solve([(4, 4), (h.floorDivided(by: 2), 3)]) == [:])
    #expect(Dimension.solve([(h - Dimension(Int64.max), Int64.max)]) == nil)
  }
}
