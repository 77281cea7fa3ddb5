/// Frames a second, as a ratio.
public struct FrameRate: Equatable, Sendable, CustomStringConvertible {
  public let numerator: Int
  public let denominator: Int
  public static let `default` = FrameRate(unchecked: 12, 1)

  /// nil unless from 1/1000 to 1000.
  public init?(_ numerator: Int, _ denominator: Int) {
    guard numerator > 0, denominator > 0, numerator <= Int(Int32.max), denominator <= Int(Int32.max),
      numerator / denominator <= 1000, denominator / numerator <= 1000
    else { return nil }
    self.init(unchecked: numerator, denominator)
  }

  private init(unchecked numerator: Int, _ denominator: Int) {
    self.numerator = numerator
    self.denominator = denominator
  }

  /// As ffprobe prints it: `30000/1001`.
  public init?(_ text: String) {
    let parts = text.split(separator: "/").map { Int($0) }
    guard parts.count == 2, let numerator = parts[0], let denominator = parts[1] else { return nil }
    self.init(numerator, denominator)
  }

  /// Frames a second.
  public var value: Double { Double(numerator) / Double(denominator) }

  public var description: String { "\(numerator)/\(denominator)" }
}
