/// Width of a pixel by its height, as a ratio: 2:1 where a clip is shown twice as wide as its pixels are many.
public struct PixelAspect: Equatable, Sendable, CustomStringConvertible {
  public let width: Int
  public let height: Int
  public static let square = PixelAspect(unchecked: 1, 1)

  /// nil unless both are positive and the ratio is from 1/100 to 100.
  public init?(_ width: Int, _ height: Int) {
    guard width > 0, height > 0, width <= Int(UInt16.max), height <= Int(UInt16.max), width / height <= 100,
      height / width <= 100
    else { return nil }
    self.init(unchecked: width, height)
  }

  private init(unchecked width: Int, _ height: Int) {
    self.width = width
    self.height = height
  }

  /// As ffprobe prints it: `2:1`; nil for `0:1`, which means that the file does not say.
  public init?(_ text: String) {
    let parts = text.split(separator: ":").map { Int($0) }
    guard parts.count == 2, let width = parts[0], let height = parts[1] else { return nil }
    self.init(width, height)
  }

  public var isSquare: Bool { width == height }

  /// Of a picture that is turned on its side.
  public var turned: PixelAspect { PixelAspect(unchecked: height, width) }

  public var description: String { "\(width):\(height)" }
}
