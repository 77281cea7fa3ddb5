import CONNX
import Glibc

/// The folder that a model's external data must stand in.
///
/// A location is a relative path beneath it, checked by its components and again by the kernel while it is opened, so
/// that links are followed only as long as they stay inside. A model that is a link itself, as downloads kept by their
/// contents are, may have its data as links into the folder where it really stands; ONNX Runtime takes the same. Only
/// regular files are opened.
final class ExternalFolder: @unchecked Sendable {
  private let descriptor: Int32
  /// Where the model really stands, if that is another folder.
  private let real: Int32?

  /// The folder of a model's path; nil where it cannot be opened.
  ///
  /// - Parameter followsLink: false for a model that is yet to be written to the path.
  init?(ofModel path: String, followsLink: Bool = true) {
    descriptor = Self.openFolder(of: path)
    if descriptor < 0 { return nil }
    var resolved = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    var status = stat()
    if followsLink, lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK, realpath(path, &resolved) != nil {
      let bytes = resolved.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      let folder = Self.openFolder(of: String(decoding: bytes, as: UTF8.self))
      real = folder < 0 ? nil : folder
    } else {
      real = nil
    }
  }

  deinit {
    close(descriptor)
    if let real { close(real) }
  }

  private static func openFolder(of path: String) -> Int32 {
    let folder: String
    if let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) {
      folder = slash == path.startIndex ? "/" : String(path[..<slash])
    } else {
      folder = "."
    }
    return Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  }

  /// What is wrong with a location by its text alone; nil where nothing is.
  static func refusal(of location: String) -> String? {
    if location.isEmpty { return "which is empty" }
    if location.utf8.contains(0) { return "which holds a NUL" }
    if location.utf8.first == UInt8(ascii: "/") { return "an absolute path" }
    if location.utf8.contains(UInt8(ascii: "\\")) { return "which holds a backslash" }
    if location.hasPrefix("*") { return "an address in memory" }
    let parts = location.split(separator: "/", omittingEmptySubsequences: true)
    if parts.contains("..") { return "which goes up with '..'" }
    if parts.allSatisfy({ $0 == "." }) { return "which is a folder" }
    return nil
  }

  struct Found {
    var descriptor: Int32
    var size: Int64
  }

  /// Opens a location; the caller closes it. Nil where there is no such file.
  func open(_ location: String, tensor: String) throws(ModelError) -> Found? {
    if let reason = Self.refusal(of: location) {
      throw .externalDataOutside(tensor: tensor, location: location, reason: reason)
    }
    var file = connx_open_beneath(descriptor, location)
    if file < 0, errno == EXDEV, let real { file = connx_open_resolved(descriptor, location, real) }
    guard file >= 0 else {
      switch errno {
      case ENOENT, ENOTDIR, ENAMETOOLONG: return nil
      case EXDEV, ELOOP:
        throw .externalDataOutside(
          tensor: tensor, location: location,
          reason: "a link that leaves the model's folder ('cp -rL' copies what links lead to)")
      default:
        throw .externalDataMissing(tensor: tensor, location: location, reason: systemReason())
      }
    }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(file)
      throw .externalDataOutside(tensor: tensor, location: location, reason: "which is not a regular file")
    }
    guard status.st_nlink <= 1 else {
      close(file)
      throw .externalDataOutside(
        tensor: tensor, location: location, reason: "a file with a second hard link, which may stand elsewhere")
    }
    return Found(descriptor: file, size: Int64(status.st_size))
  }

  /// Maps a whole data file.
  func map(_ location: String, tensor: String) throws(ModelError) -> MappedFile {
    guard let found = try open(location, tensor: tensor) else {
      throw .externalDataMissing(tensor: tensor, location: location, reason: "there is no such file")
    }
    defer { close(found.descriptor) }
    return try MappedFile(descriptor: found.descriptor, count: Int(found.size), path: location)
  }
}
