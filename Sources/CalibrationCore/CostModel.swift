import Foundation

/// How long the operator takes beside ONNX Runtime's own attention, measured once on a machine: what decides whether a
/// replacement would be slower than what it replaces.
public struct CostModel: Codable, Equatable, Sendable {
  public static let currentSchema = "isa-patch/cost/2"
  /// A site whose replacement would take more than this share of the original's time stays. Figures are up to four
  /// hundredths off, and what was patched must not be above 1.02.
  public static let tolerance = 0.98

  public var schema = CostModel.currentSchema
  /// What the figures hold for.
  public var tool: String
  public var machine: String
  public var kernel: String
  public var runtime: String
  public var rows: [Row]

  /// What a graph computes attention with.
  public enum Original: String, Codable, CaseIterable, Sendable {
    /// MatMul, Softmax, MatMul.
    case decomposed
    /// The standard's operator of opset 23.
    case attention = "Attention"
    /// The fused operators of com.microsoft.
    case multiHeadAttention = "MultiHeadAttention"
  }

  /// A few heads of one length, in float32 with one thread; seconds are the best of several runs.
  public struct Row: Codable, Equatable, Sendable {
    public var original: Original
    /// With a bias on all scores; the operator's policies are exact then.
    public var hasBias: Bool
    public var headSize: Int
    public var tokens: Int
    public var originalSeconds: Double
    public var exactSeconds: Double
    /// A sparse policy that lists little, with the executed density that it had.
    public var sparseSeconds: Double
    public var sparseDensity: Double

    public init(
      original: Original, hasBias: Bool = false, headSize: Int, tokens: Int, originalSeconds: Double,
      exactSeconds: Double, sparseSeconds: Double, sparseDensity: Double
    ) {
      self.original = original
      self.hasBias = hasBias
      self.headSize = headSize
      self.tokens = tokens
      self.originalSeconds = originalSeconds
      self.exactSeconds = exactSeconds
      self.sparseSeconds = sparseSeconds
      self.sparseDensity = sparseDensity
    }

    /// Time over the original's. Exact attention for density 1; else the sparse run's floor and a share of exact
    /// attention for what is listed beyond it.
    func share(density: Double) -> Double {
      guard originalSeconds > 0 else { return 0 }
      if density >= 1 { return exactSeconds / originalSeconds }
      return (sparseSeconds + max(0, density - sparseDensity) * exactSeconds) / originalSeconds
    }
  }

  public init(tool: String, machine: String, kernel: String, runtime: String, rows: [Row]) {
    self.tool = tool
    self.machine = machine
    self.kernel = kernel
    self.runtime = runtime
    self.rows = rows
  }

  /// The operator's time over the original's: of the nearest head size that was measured, linear in the logarithm of the
  /// tokens between two lengths, and beyond them that of the nearest.
  ///
  /// - Parameter tokens: √(queries × keys).
  /// - Returns: nil where nothing was measured against this original.
  public func share(
    of original: Original, hasBias: Bool = false, headSize: Int, tokens: Double, density: Double
  ) -> Double? {
    let candidates = rows.filter { $0.original == original && $0.hasBias == hasBias }
    func distance(_ row: Row) -> Double { abs(log(Double(max(1, row.headSize)) / Double(max(1, headSize)))) }
    guard let nearest = candidates.min(by: { distance($0) < distance($1) })?.headSize else { return nil }
    let line = candidates.filter { $0.headSize == nearest }.sorted { $0.tokens < $1.tokens }
    guard let first = line.first, let last = line.last else { return nil }
    if tokens <= Double(first.tokens) { return first.share(density: density) }
    for (low, high) in zip(line, line.dropFirst()) where tokens <= Double(high.tokens) && low.tokens < high.tokens {
      let part = log(tokens / Double(low.tokens)) / log(Double(high.tokens) / Double(low.tokens))
      return low.share(density: density) * (1 - part) + high.share(density: density) * part
    }
    return last.share(density: density)
  }

  public func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// - Throws: `CalibrationError` where the file is no cost model of this version.
  public static func decoded(_ data: Data, file: String) throws(CalibrationError) -> CostModel {
    try SchemaDocument.decode(CostModel.self, schema: currentSchema, data, file: file)
  }
}
